import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { type ManagedProcess, startProcess } from './process.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export interface SentinelOptions {
  /** How many Sentinels have to agree that the master is down. */
  readonly quorum: number;
  readonly downAfterMs: number;
  readonly failoverTimeoutMs: number;
  /** Default: a free one. */
  readonly port?: number;
  /** Further lines of its configuration. */
  readonly lines?: readonly string[];
}

/** The name under which each Sentinel watches its master. */
export const SENTINEL_MASTER = 'mymaster';

export interface Sentinel {
  readonly port: number;
  readonly process: ManagedProcess;
}

/** Starts a real Sentinel on 127.0.0.1. Resolves when it watches the master. */
export async function startSentinel(
  master: { readonly host: string; readonly port: number },
  { quorum, downAfterMs, failoverTimeoutMs, lines = [], ...options }: SentinelOptions,
): Promise<Sentinel> {
  const port = options.port ?? (await freePort());
  const directory = temporaryDirectory('sentinel');
  const file = join(directory, 'sentinel.conf');
  const all = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${directory}`,
    `sentinel monitor ${SENTINEL_MASTER} ${master.host} ${master.port} ${quorum}`,
    `sentinel down-after-milliseconds ${SENTINEL_MASTER} ${downAfterMs}`,
    `sentinel failover-timeout ${SENTINEL_MASTER} ${failoverTimeoutMs}`,
    ...lines,
  ];
  writeFileSync(file, `${all.join('\n')}\n`);
  const command = process.env['SINK_REDIS_SERVER'] ?? 'redis-server';
  const sentinel = await startProcess({ command, args: [file, '--sentinel'] });
  await sentinel.waitFor(new RegExp(`\\+monitor master ${SENTINEL_MASTER}`));
  return { port, process: sentinel };
}
