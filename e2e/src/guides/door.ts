import { createServer, request as forward } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What is in front of a sink: it can refuse a request, as the sink does while it has no room. */
export interface Door {
  readonly url: string;
  /** The next request gets a 503. */
  refuseOnce(): void;
  close(): Promise<void>;
}

export async function startDoor(sink: string): Promise<Door> {
  let refusing = false;
  const server = createServer((request, response) => {
    if (refusing) {
      refusing = false;
      request.resume();
      return void request.once('end', () => response.writeHead(503).end('no room\n'));
    }
    const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => name !== 'host'));
    const onward = forward(sink, { method: request.method ?? 'POST', headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.once('error', () => response.destroy());
    request.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    refuseOnce: () => {
      refusing = true;
    },
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
