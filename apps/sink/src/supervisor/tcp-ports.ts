import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { SinkConfig } from '@sink/config';
import type { Clock } from '@sink/runtime';
import { StartError } from '../start-error.ts';

const POLL_MS = 100;

/**
 * Makes sure that the ports of the services can be had, so that one that is taken is one line and not three services
 * that fail. Waits up to `waitMs` for one that is taken: processes of an earlier sink may be ending.
 * @throws StartError `port_taken`
 */
export async function awaitFreePorts(
  config: SinkConfig,
  options: { readonly waitMs: number; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  const ports = {
    port: config.port,
    ingest_ops_port: config.ingestOpsPort,
    batcher_ops_port: config.batcherOpsPort,
    uploader_ops_port: config.uploaderOpsPort,
  };
  const endMs = options.clock.monotonicMs() + options.waitMs;
  for (const [key, port] of Object.entries(ports)) {
    for (;;) {
      const problem = await tryPort(config.host, port);
      if (problem === null || options.signal.aborted) break;
      if (problem !== 'EADDRINUSE' || options.clock.monotonicMs() >= endMs) {
        throw new StartError('port_taken', describeProblem(problem, key, port, config.host));
      }
      await options.clock.sleep(POLL_MS, options.signal);
    }
  }
}

function describeProblem(problem: string, key: string, port: number, host: string): string {
  const env = `SINK_${key.toUpperCase()}`;
  switch (problem) {
    case 'EADDRINUSE':
      return `port ${port} is taken by another program: stop that one, or set ${key} (${env}) to another port`;
    case 'EACCES':
      return `port ${port} may not be opened by this user: set ${key} (${env}) to a port above 1023`;
    default:
      return `port ${port} cannot be opened on ${host} (${problem}): look at host (SINK_HOST) and ${key} (${env})`;
  }
}

/** Null, or the code of the error. */
async function tryPort(host: string, port: number): Promise<string | null> {
  const server = createServer();
  try {
    server.listen({ host, port, exclusive: true });
    await once(server, 'listening');
    return null;
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  } finally {
    server.close();
  }
}

/** A port of 127.0.0.1 that was free a moment ago. */
export async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
