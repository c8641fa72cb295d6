import type { ConfigInForce, HandedConfig, Reloaded } from '@sink/config';
import { ConfigError, describeProblem, whyRestart } from '@sink/config';
import type { Clock } from './clock.ts';
import type { Readiness } from './health.ts';
import type { Logger } from './logger.ts';
import { watchUntil } from './watched-file.ts';

/**
 * How often the file is looked at. A ConfigMap changes by a symlink, a file on a network by no event at all: so its
 * content is read, which takes some 50 µs.
 */
const LOOK_EVERY_MS = 2_000;
/** More mistakes than these are only counted where a text has to be short. */
const SHOWN_MISTAKES_MAX = 10;

/** A change is told again for so long: a look at the file may come before the one who asks for it. */
const TOLD_AGAIN_MS = 60_000;

type Changed = Extract<Reloaded, { kind: 'applied' }>['changed'];

/** What a reload did, and the processes that have not taken it. */
export type ReloadReport = Reloaded & {
  readonly silent: readonly string[];
  /** The last change before this reload, if it is not old; null: there was none. */
  readonly earlier: { readonly changed: Changed; readonly agoMs: number } | null;
};

export interface ConfigReloadPorts {
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>;
  readonly clock: Pick<Clock, 'sleep' | 'monotonicMs'>;
  /** Hands the configuration to the processes that this one has started; resolves to those that did not take it. */
  readonly hand: (config: HandedConfig) => Promise<readonly string[]>;
}

/** Reads the configuration file again, when it has changed or when it is asked to. For a process without a parent. */
export class ConfigReload {
  readonly #inForce: ConfigInForce;
  readonly #ports: ConfigReloadPorts;
  #last: Promise<unknown> = Promise.resolve();
  #lastChange: { readonly changed: Changed; readonly atMs: number } | null = null;

  constructor(inForce: ConfigInForce, ports: ConfigReloadPorts) {
    this.#inForce = inForce;
    this.#ports = ports;
  }

  /** Reads the file again, after any reload that is under way. */
  reload(): Promise<ReloadReport> {
    const reloaded = this.#last.then(() => this.#reload());
    this.#last = reloaded.catch(() => undefined);
    return reloaded;
  }

  /** Reloads the file whenever it has changed. */
  async watchUntil(ended: AbortSignal): Promise<void> {
    const look = (): string | null => this.#inForce.changedText();
    const take = (): Promise<ReloadReport> => this.reload();
    await watchUntil(ended, { everyMs: LOOK_EVERY_MS, look, take }, this.#ports.clock);
  }

  async #reload(): Promise<ReloadReport> {
    const { log, hand, clock } = this.#ports;
    const nowMs = clock.monotonicMs();
    const agoMs = nowMs - (this.#lastChange?.atMs ?? -Infinity);
    const earlier = this.#lastChange === null || agoMs > TOLD_AGAIN_MS ? null : { ...this.#lastChange, agoMs };
    const reloaded = this.#inForce.reload();
    if (reloaded.kind === 'rejected') {
      const problems = reloaded.problems.map(describeProblem);
      log.error({ problems }, 'the configuration file is refused; the configuration in force stays');
    } else {
      const { changed, pendingRestart } = reloaded;
      if (changed.length > 0) this.#lastChange = { changed, atMs: nowMs };
      const values = Object.fromEntries(changed.map(({ key, after }) => [key, after]));
      if (changed.length === 0) log.info('no live key of the configuration has changed');
      else log.info({ changed: values }, 'live keys of the configuration have changed');
      if (pendingRestart.length > 0)
        log.warn({ pendingRestart }, 'changed keys of the configuration wait for a restart');
    }
    const silent = await hand(this.#inForce.handed());
    if (silent.length > 0) log.warn({ silent }, 'processes have not confirmed the configuration yet');
    return { ...reloaded, silent, earlier };
  }
}

/** The lines that `sink reload` prints. */
export function reloadText(report: ReloadReport): string {
  if (report.kind === 'rejected') {
    return `${new ConfigError(report.problems).message}\nThe configuration in force stays.\n`;
  }
  const { changed, pendingRestart, silent, earlier } = report;
  const waiting = pendingRestart.map((key) => `  ${key}: ${whyRestart(key) ?? 'this sink is on a small volume'}\n`);
  return [
    liveText(changed, earlier),
    waiting.length === 0 ? '' : `Waits for a restart:\n${waiting.join('')}`,
    silent.length === 0 ? '' : `Not confirmed yet: ${silent.join(', ')}\n`,
  ].join('');
}

function liveText(changed: Changed, earlier: ReloadReport['earlier']): string {
  const lines = (keys: Changed): string =>
    keys.map(({ key, before, after }) => `  ${key}: ${after} (was ${before})\n`).join('');
  if (changed.length > 0) return `In force now:\n${lines(changed)}`;
  if (earlier === null) return 'No live key has changed.\n';
  return `No live key has changed since ${Math.ceil(earlier.agoMs / 1000)} s. In force since then:\n${lines(earlier.changed)}`;
}

/** Warns of what the file says and is not in force: the service does its work, so this is no problem. */
export function warnOfConfig(inForce: ConfigInForce, readiness: Pick<Readiness, 'warn'>): void {
  const { pendingRestart, rejected } = inForce;
  const lines = rejected.slice(0, SHOWN_MISTAKES_MAX).map(describeProblem);
  const more = rejected.length > SHOWN_MISTAKES_MAX ? [`${rejected.length - SHOWN_MISTAKES_MAX} more`] : [];
  readiness.warn(
    'config_rejected',
    rejected.length === 0 ? null : [...lines, ...more].join('; '),
    'the configuration file is refused: the log and the operations port say why',
  );
  readiness.warn('config_pending_restart', pendingRestart.length === 0 ? null : pendingRestart.join(', '));
}
