import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import type { ConfigInForce } from '@sink/config';
import { ConfigReload, type Logger, privateUmask, type ReloadReport, reloadText, systemClock } from '@sink/runtime';
import type { ServiceGroup } from './service-group.ts';
import type { StopSignals } from './stop-signals.ts';

/** What the sink answers to `sink reload`, as JSON. */
export interface ReloadAnswer {
  readonly text: string;
  readonly outcome: 'in_force' | 'waits' | 'rejected';
}

/** Where a sink that holds the lock of `data_dir` answers `sink reload`. */
export function reloadSocket(dataDir: string): string {
  return join(dataDir, 'redis', 'sink.sock');
}

export interface FollowPorts {
  /** Whether this sink holds the lock of data_dir. */
  readonly ownsRedis: boolean;
  readonly log: Logger;
  readonly signals: StopSignals;
}

/**
 * Reads the configuration again for the whole sink: when the file changes, on SIGHUP without a terminal, and for
 * `sink reload`. The services get what is in force from here, so that all of them have the same.
 */
export async function followConfig(
  inForce: ConfigInForce,
  services: Pick<ServiceGroup, 'hand'>,
  { ownsRedis, log, signals }: FollowPorts,
): Promise<void> {
  const reload = new ConfigReload(inForce, { log, clock: systemClock, hand: (config) => services.hand(config) });
  inForce.onChange(({ logLevel }) => {
    log.level = logLevel;
  });
  const failed = (error: unknown): void => log.error({ err: error }, 'reading the configuration again failed');
  reload.watchUntil(signals.stop).catch(failed);
  if (signals.onHangup !== null) signals.onHangup = () => void reload.reload().catch(failed);
  if (!ownsRedis) return;
  try {
    await answerReloads(reloadSocket(inForce.config.dataDir), reload, signals.stop);
  } catch (err) {
    log.warn({ err }, '`sink reload` does not work; SIGHUP and a changed file do');
  }
}

/** The caller holds the lock of the directory, so a socket that exists is that of a sink that has ended. */
async function answerReloads(path: string, reload: ConfigReload, stop: AbortSignal): Promise<void> {
  rmSync(path, { force: true });
  const server: Server = createServer((socket) => {
    socket.on('error', () => undefined);
    reload.reload().then(
      (report) => socket.end(JSON.stringify(answerOf(report))),
      () => socket.destroy(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  chmodSync(path, 0o666 & ~privateUmask(dirname(path)));
  stop.addEventListener('abort', () => server.close(), { once: true });
}

function answerOf(report: ReloadReport): ReloadAnswer {
  const text = reloadText(report);
  if (report.kind === 'rejected') return { text, outcome: 'rejected' };
  const waits = report.pendingRestart.length + report.silent.length > 0;
  return { text, outcome: waits ? 'waits' : 'in_force' };
}
