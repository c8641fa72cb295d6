import type { SinkConfig } from '@sink/config';
import { awaitFreePort, type Clock, ListenError } from '@sink/runtime';
import { StartError } from '../start-error.ts';

/**
 * Checks that the ports of the services are free, so that a port that is taken gives one line instead of three services
 * that fail. Waits up to `waitMs` for a port that is taken, because the processes of an earlier sink may be ending.
 * Returns early when `signal` aborts.
 * @throws StartError `port_taken`
 */
export async function awaitFreePorts(
  config: SinkConfig,
  { waitMs, clock, signal }: { readonly waitMs: number; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  const ports = {
    port: config.port,
    ingest_ops_port: config.ingestOpsPort,
    batcher_ops_port: config.batcherOpsPort,
    uploader_ops_port: config.uploaderOpsPort,
  };
  const endMs = clock.monotonicMs() + waitMs;
  for (const [key, port] of Object.entries(ports)) {
    try {
      await awaitFreePort(config.host, port, { waitMs: endMs - clock.monotonicMs(), clock, signal });
    } catch (cause) {
      if (signal.aborted) return;
      const problem = cause instanceof ListenError ? cause.code : String(cause);
      throw new StartError('port_taken', describeProblem(problem, key, port, config.host), { cause });
    }
  }
}

function describeProblem(problem: string, key: string, port: number, host: string): string {
  const env = `SINK_${key.toUpperCase()}`;
  switch (problem) {
    case 'EADDRINUSE':
      return `port ${port} is taken by another program: stop that program, or set ${key} (${env}) to another port`;
    case 'EACCES':
      return `this user may not open port ${port}: set ${key} (${env}) to a port above 1023`;
    default:
      return `port ${port} cannot be opened on ${host} (${problem}): check host (SINK_HOST) and ${key} (${env})`;
  }
}
