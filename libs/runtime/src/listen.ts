import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import type { Clock } from './clock.ts';

const POLL_MS = 100;

export interface ListenOptions {
  /** Connections that may wait to be accepted; the system's own limit (net.core.somaxconn) may be lower. */
  backlog?: number;
  /** Shares the port with other processes of this user that also set it: the system distributes the connections. */
  reusePort?: boolean;
}

/** An address cannot be listened on. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
  /** Of the system: `EADDRINUSE`, `EACCES` and others. */
  readonly code: string;
  /** The program that holds the port may end. */
  readonly retryable = true;

  constructor(host: string, port: number, cause: unknown) {
    super(`listening on ${host}:${port}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
  }
}

/**
 * Resolves when the server listens.
 * @throws ListenError
 */
export async function listen(server: Server, port: number, host: string, options: ListenOptions = {}): Promise<void> {
  try {
    server.listen({ port, host, ...options });
    await once(server, 'listening');
  } catch (cause) {
    throw new ListenError(host, port, cause);
  }
}

export interface PortWait {
  /** How long another process may hold the port: one that was stopped a moment ago needs some time to end. */
  readonly waitMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Makes sure that no process listens on a port, and resolves to its number; 0 becomes a free one. Listens itself for a
 * moment to know.
 * @throws ListenError when the port is taken, or cannot be opened at all
 */
export async function findFreePort(host: string, port: number): Promise<number> {
  const server = createServer();
  await listen(server, port, host);
  const { port: found } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return found;
}

/**
 * As `findFreePort`, and retries while another process holds the port.
 * @throws ListenError when the port is still taken after `waitMs` or when `signal` aborts, or cannot be opened at all
 */
export async function awaitFreePort(host: string, port: number, { waitMs, clock, signal }: PortWait): Promise<number> {
  const endMs = clock.monotonicMs() + waitMs;
  for (;;) {
    try {
      return await findFreePort(host, port);
    } catch (error) {
      const isTaken = error instanceof ListenError && error.code === 'EADDRINUSE';
      if (!isTaken || signal.aborted || clock.monotonicMs() >= endMs) throw error;
      await clock.sleep(POLL_MS, signal);
    }
  }
}
