import { createServer } from 'node:net';

/** Below the range that Linux (32768+) and macOS (49152+) use for the ports of outgoing connections. */
const PORT_MIN = 12_000;
const PORT_MAX = 32_000;
const ATTEMPTS_MAX = 100;

const handedOut = new Set<number>();

/**
 * A port on 127.0.0.1 on which no process listens. It is below the ephemeral range, so that an outgoing connection does
 * not take it while a server restarts. Another process may still take it first.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN));
    if (handedOut.has(port) || !(await isFree(port))) continue;
    handedOut.add(port);
    return port;
  }
  throw new Error(`finding a free port: none of ${ATTEMPTS_MAX} random ones between ${PORT_MIN} and ${PORT_MAX}`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
