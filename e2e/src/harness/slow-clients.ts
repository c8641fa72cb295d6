import { connect, type Socket } from 'node:net';

export interface SlowPattern {
  /** The Content-Length of each body. */
  readonly bytes: number;
  /** How many bytes of it are sent before the client falls silent. */
  readonly sentBytes: number;
  /** Sends another byte so often; null: never. */
  readonly dripMs: number | null;
}

const REOPEN_MS = 1_000;

/** Clients that never finish a body. Each opens a new connection when its last one ended, at most once a second. */
export function startSlowClients(url: string, count: number, { bytes, sentBytes, dripMs }: SlowPattern): () => void {
  const { hostname, port } = new URL(url);
  const head = `POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/cloudevents+json\r\nContent-Length: ${bytes}\r\n\r\n`;
  const request = Buffer.concat([Buffer.from(head), Buffer.alloc(sentBytes, 'x')]);
  const sockets = new Set<Socket>();
  const timers = new Set<NodeJS.Timeout>();
  let stopped = false;
  const later = (ms: number, open: () => void): void => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      open();
    }, ms);
    timers.add(timer);
  };
  const open = (): void => {
    const openedMs = performance.now();
    const socket = connect({ host: hostname, port: Number(port) });
    sockets.add(socket);
    const drip = dripMs === null ? null : setInterval(() => socket.write('x'), dripMs);
    socket.on('error', () => undefined);
    socket.once('connect', () => socket.write(request));
    socket.once('data', () => socket.destroy());
    socket.once('close', () => {
      clearInterval(drip ?? undefined);
      sockets.delete(socket);
      if (!stopped) later(Math.max(0, REOPEN_MS - (performance.now() - openedMs)), open);
    });
  };
  for (let number = 0; number < count; number++) later((number * REOPEN_MS) / count, open);
  return () => {
    stopped = true;
    for (const timer of timers) clearTimeout(timer);
    for (const socket of sockets) socket.destroy();
  };
}
