import type { Message } from './traffic.ts';

/** The bytes of a message on a connection. */
export function rawRequest({ headers, body }: Message, host: string): string {
  const all = { ...headers, host, 'content-length': String(Buffer.byteLength(body)) };
  const head = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST / HTTP/1.1\r\n${head.join('')}\r\n${body}`;
}
