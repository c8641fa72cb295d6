import { createServer, request as forward } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';

/** Answers to CONNECT and to requests with a whole address, as a proxy of a company does. */
export interface HttpProxy {
  readonly port: number;
  readonly url: string;
  /** `CONNECT host:port` and `PUT http://host/…`, oldest first. */
  readonly asked: string[];
  /** The `proxy-authorization` that requests need; null: none. */
  authorization: string | null;
  /** Whether the proxy passes 100 Continue on, as some do not. */
  continues: boolean;
  close(): Promise<void>;
}

/**
 * A proxy on 127.0.0.1 that connects every name to the host and port that `targetOf` gives: so tests can use names that
 * only the proxy knows.
 */
export async function startHttpProxy(
  targetOf: (host: string) => { readonly host: string; readonly port: number },
): Promise<HttpProxy> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const refuses = (headers: Readonly<Record<string, unknown>>): boolean =>
    proxy.authorization !== null && headers['proxy-authorization'] !== proxy.authorization;

  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://none');
    asked.push(`${request.method ?? ''} ${url.origin}`);
    if (refuses(request.headers)) return void response.writeHead(407).end();
    const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !name.startsWith('proxy-')));
    const path = url.pathname + url.search;
    const onward = forward({ ...targetOf(url.host), method: request.method ?? 'GET', path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('continue', () => proxy.continues && response.writeContinue());
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  });
  server.on('checkContinue', (request, response) => server.emit('request', request, response));
  server.on('connect', (request, client: Socket, head: Buffer) => {
    asked.push(`CONNECT ${request.url ?? ''}`);
    if (refuses(request.headers)) return void client.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
    const server = connect(targetOf(request.url ?? ''));
    for (const [from, to] of [[client, server] as const, [server, client] as const]) {
      sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => sockets.delete(from) && to.destroy());
    }
    server.once('connect', () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      server.write(head);
      client.pipe(server).pipe(client);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const proxy: HttpProxy = {
    port,
    url: `http://127.0.0.1:${port}`,
    asked,
    authorization: null,
    continues: true,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return proxy;
}
