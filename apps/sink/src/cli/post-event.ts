import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { connect, type TLSSocket } from 'node:tls';

export interface PostOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /**
   * The certificate of the port, by which it is known whatever name it is asked by: on its own machine, or by its name in the
   * cluster. Null: an https:// address is verified as usual.
   */
  readonly certFile: string | null;
  readonly signal: AbortSignal;
}

/** Posts to the port of a sink. @throws when there is no answer, or the port shows another certificate */
export async function post(
  address: string,
  { headers, body, certFile, signal }: PostOptions,
): Promise<{ readonly status: number; readonly said: string }> {
  const url = new URL(address);
  if (url.protocol !== 'https:' || certFile === null) {
    // The headers may have a secret, which is for this address only.
    const answer = await fetch(url, { method: 'POST', headers, body, signal, redirect: 'error' });
    return { status: answer.status, said: await answer.text() };
  }
  const socket = await connectPinned(url, new X509Certificate(readFileSync(certFile)), signal);
  const posted = request(url, {
    protocol: 'http:',
    createConnection: () => socket,
    method: 'POST',
    headers: { ...headers, Host: url.host, Connection: 'close' },
    signal,
  });
  posted.end(body);
  const [answer] = (await once(posted, 'response', { signal })) as [NodeJS.ReadableStream & { statusCode?: number }];
  return { status: answer.statusCode ?? 0, said: await text(answer) };
}

async function connectPinned(url: URL, own: X509Certificate, signal: AbortSignal): Promise<TLSSocket> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const socket = connect({ host, port: Number(url.port || 443), servername: '', rejectUnauthorized: false });
  await once(socket, 'secureConnect', { signal });
  if (socket.getPeerX509Certificate()?.fingerprint256 === own.fingerprint256) return socket;
  socket.destroy();
  throw new Error('the port shows another certificate than the one in tls.cert_file');
}
