import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { type Clock, listen } from '@sink/runtime';

/** The workers of a parent that was killed still hold the port until they have noticed. */
const PORT_WAIT_MS = 5_000;
const POLL_MS = 100;

/**
 * Makes sure that nobody else listens on the port, and resolves to its number (0 becomes a free one). Workers share it
 * afterwards, and the system would let any process of this user join them, a second ingest too.
 *
 * @throws when it is still taken after five seconds, or can not be had at all
 */
export async function findOwnPort(
  host: string,
  port: number,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<number> {
  const endMs = clock.monotonicMs() + PORT_WAIT_MS;
  for (;;) {
    const server = createServer();
    try {
      await listen(server, port, host);
      const { port: found } = server.address() as AddressInfo;
      await new Promise((resolve) => server.close(resolve));
      return found;
    } catch (error) {
      if (!isTaken(error) || signal.aborted || clock.monotonicMs() >= endMs) throw error;
      await clock.sleep(POLL_MS, signal);
    }
  }
}

function isTaken(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE';
}
