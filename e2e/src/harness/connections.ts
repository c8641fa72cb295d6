import { connect } from 'node:net';

export interface ConnectionsResult {
  /** The number of answers by status. 0: no answer, because the connection was refused, cut or silent for too long. */
  readonly statuses: ReadonlyMap<number, number>;
  /** The time of the slowest answer since its connection was opened, in milliseconds. */
  readonly slowestMs: number;
}

/**
 * Opens all connections at the same moment, each with one request of one event, and waits for all answers.
 * @param silentMs how long a connection waits for its answer
 */
export async function connectAtOnce(url: string, connections: number, silentMs: number): Promise<ConnectionsResult> {
  const { hostname, port } = new URL(url);
  const statuses = new Map<number, number>();
  let slowestMs = 0;
  const startMs = performance.now();
  const one = (number: number): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect({ host: hostname, port: Number(port) });
      const settle = (status: number): void => {
        clearTimeout(timer);
        socket.removeAllListeners('close').destroy();
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        slowestMs = Math.max(slowestMs, performance.now() - startMs);
        resolve();
      };
      const timer = setTimeout(() => settle(0), silentMs);
      socket.on('error', () => undefined);
      socket.once('close', () => settle(0));
      socket.once('connect', () => socket.write(requestOf(number, hostname)));
      socket.once('data', (head) => settle(Number(/^HTTP\/1\.1 (\d{3})/.exec(head.toString('latin1'))?.[1] ?? 0)));
    });
  await Promise.all(Array.from({ length: connections }, (_, number) => one(number)));
  return { statuses, slowestMs };
}

/** One event in binary mode, as Vanus sends it. */
function requestOf(number: number, host: string): string {
  const body = JSON.stringify({ number });
  return [
    'POST / HTTP/1.1',
    `Host: ${host}`,
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
    'ce-specversion: 1.0',
    `ce-id: ${number}`,
    'ce-source: /connections',
    'ce-type: t',
    '',
    body,
  ].join('\r\n');
}
