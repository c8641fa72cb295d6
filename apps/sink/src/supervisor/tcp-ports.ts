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
  const { host, opsHost } = config;
  const ports = {
    port: { host, hostKey: 'host', port: config.port },
    ingest_ops_port: { host: opsHost, hostKey: 'ops_host', port: config.ingestOpsPort },
    batcher_ops_port: { host: opsHost, hostKey: 'ops_host', port: config.batcherOpsPort },
    uploader_ops_port: { host: opsHost, hostKey: 'ops_host', port: config.uploaderOpsPort },
  };
  const endMs = clock.monotonicMs() + waitMs;
  for (const [key, at] of Object.entries(ports)) {
    try {
      await awaitFreePort(at.host, at.port, { waitMs: endMs - clock.monotonicMs(), clock, signal });
    } catch (cause) {
      if (signal.aborted) return;
      const problem = cause instanceof ListenError ? cause.code : String(cause);
      throw new StartError('port_taken', describeProblem(problem, key, at), { cause });
    }
  }
}

function describeProblem(
  problem: string,
  key: string,
  { host, hostKey, port }: { readonly host: string; readonly hostKey: string; readonly port: number },
): string {
  const env = `SINK_${key.toUpperCase()}`;
  switch (problem) {
    case 'EADDRINUSE':
      return `port ${port} is taken by another program: stop that program, or set ${key} (${env}) to another port`;
    case 'EACCES':
      return `this user may not open port ${port}: set ${key} (${env}) to a port above 1023`;
    default:
      return `port ${port} cannot be opened on ${host} (${problem}): check ${hostKey} (SINK_${hostKey.toUpperCase()}) and ${key} (${env})`;
  }
}
