import { closeSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Clock, type FailureLog, makePrivateDirectory } from '@sink/runtime';
import { diskFull } from './disk-full.ts';
import { type DataLock, HeldLock } from './held-lock.ts';
import { type KernelLock, takeKernelLock } from './kernel-lock.ts';
import { createLockFile, fileSystemMs, type LockFile, readLockFile, takeOverLockFile } from './lock-file.ts';
import {
  currentPlace,
  describeHolder,
  type Holder,
  isSameKernel,
  newHolder,
  parseHolder,
  type Place,
  stateOf,
} from './lock-holder.ts';
import { StartError } from '../start-error.ts';

export interface LockTimes {
  readonly beatMs: number;
  /** Without a heartbeat for so long, a holder that cannot be seen counts as dead. Also how long a start waits. */
  readonly staleMs: number;
}

export const LOCK_TIMES: LockTimes = { beatMs: 2_000, staleMs: 10_000 };
const POLL_MS = 250;
/** Clocks of hosts that share a volume differ by less: an older heartbeat needs no watch. */
const CLOCKS_DIFFER_MS = 60_000;

export interface DataLockOptions {
  readonly clock: Clock;
  readonly log: FailureLog;
  /** Ends the wait for another holder. */
  readonly signal: AbortSignal;
  /** Ends what a dead sink of this place left running. Without it, such processes count as a sink that runs. */
  readonly stopLeftovers?: () => Promise<void>;
  /** Whether to wait until another container has ended, or has been silent for long enough. Default: true. */
  readonly waits?: boolean;
  readonly times?: LockTimes;
  readonly place?: Place;
}

/** Another sink uses the directory. */
export class DataDirectoryInUse extends StartError {
  /** It runs in another container, or on another host. */
  readonly isElsewhere: boolean;

  constructor(who: string, file: string, isElsewhere: boolean) {
    const remedy = `stop it, or give this one a data_dir of its own (${file})`;
    super('data_dir_in_use', `${who} is running on this data directory: ${remedy}`);
    this.isElsewhere = isElsewhere;
  }
}

type Verdict =
  | { readonly kind: 'free' }
  | { readonly kind: 'dead'; readonly silent: boolean }
  | { readonly kind: 'leftovers' }
  | { readonly kind: 'held'; readonly isElsewhere: boolean };

/**
 * Lets one sink at a time use a data directory: two redis-servers on one append-only file would ruin it
 * (docs/adr/0021-lock-of-data-dir.md). The lock has two parts:
 *
 * - The kernel's lock of `<file>.kernel`, which the redis-server inherits. It decides on one machine, across containers.
 * - The file, with the identity of its holder, who writes it again every 2 s. Where the kernel's lock does not reach, a
 *   holder that was silent for 10 s is dead. A holder of the same PID namespace can be looked up.
 *
 * Resolves to null when `signal` aborts while it waits.
 * @throws StartError `data_dir`, `disk_full`; DataDirectoryInUse
 */
export async function lockDataDirectory(file: string, options: DataLockOptions): Promise<DataLock | null> {
  try {
    makePrivateDirectory(dirname(file));
    return await new LockAttempt(file, options).run();
  } catch (cause) {
    if (cause instanceof StartError) throw cause;
    if (!(cause instanceof Error && 'code' in cause)) throw cause;
    const full = diskFull(dirname(dirname(file)), cause);
    if (full !== null) throw full;
    const message = `the data directory cannot be written (${cause.message}): set data_dir`;
    throw new StartError('data_dir', message, { cause });
  }
}

class LockAttempt {
  readonly #file: string;
  readonly #options: DataLockOptions;
  readonly #times: LockTimes;
  readonly #place: Place;
  #waitingSinceMs: number;
  #kernel: KernelLock = { kind: 'unavailable' };
  #holder: Holder | null = null;
  #seen: LockFile | null = null;
  /** When the holder last wrote, by this process' clock. */
  #beatenMs = 0;
  #leftoversStopped = false;
  #told = false;

  constructor(file: string, options: DataLockOptions) {
    this.#file = file;
    this.#options = options;
    this.#times = options.times ?? LOCK_TIMES;
    this.#place = options.place ?? currentPlace();
    this.#waitingSinceMs = options.clock.monotonicMs();
  }

  async run(): Promise<DataLock | null> {
    const { clock, signal } = this.#options;
    let lock: DataLock | null = null;
    try {
      while (lock === null && !signal.aborted) {
        if (this.#kernel.kind !== 'taken') this.#kernel = takeKernelLock(`${this.#file}.kernel`);
        const verdict = this.#judge();
        switch (verdict.kind) {
          case 'free':
          case 'dead':
            lock = this.#take(verdict);
            break;
          case 'leftovers':
            await this.#stopLeftovers();
            break;
          case 'held':
            this.#mayWait(verdict.isElsewhere);
            await clock.sleep(POLL_MS, signal);
        }
      }
      return lock;
    } finally {
      if (lock === null && this.#kernel.kind === 'taken') closeSync(this.#kernel.descriptor);
    }
  }

  /** What the two parts of the lock say of the holder. */
  #judge(): Verdict {
    const found = readLockFile(this.#file);
    this.#holder = found === null ? null : parseHolder(found.text);
    if (found !== null) this.#followHeartbeat(found);
    const state = this.#holder === null ? 'unknown' : stateOf(this.#holder, this.#place);
    if (state === 'alive') return { kind: 'held', isElsewhere: false };
    if (this.#kernel.kind === 'held') {
      return state === 'dead' ? { kind: 'leftovers' } : { kind: 'held', isElsewhere: true };
    }
    if (found === null) return { kind: 'free' };
    // The file appears whole: one that is cut is from before a crash of its machine.
    const isDead = state === 'dead' || this.#holder === null || this.#freedByKernel(this.#holder);
    if (isDead) return { kind: 'dead', silent: false };
    if (this.#silentMs() >= this.#times.staleMs) return { kind: 'dead', silent: true };
    return { kind: 'held', isElsewhere: true };
  }

  /** The holder had the kernel's lock on this machine, and now this process has it. */
  #freedByKernel(holder: Holder): boolean {
    return (
      this.#kernel.kind === 'taken' && holder.kernelLock === this.#kernel.inode && isSameKernel(holder, this.#place)
    );
  }

  #followHeartbeat(found: LockFile): void {
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#seen === null) {
      const ageMs = fileSystemMs(this.#file) - found.beatMs;
      this.#beatenMs = ageMs >= CLOCKS_DIFFER_MS ? nowMs - ageMs : nowMs;
    } else if (this.#seen.beatMs !== found.beatMs || this.#seen.text !== found.text) {
      this.#beatenMs = nowMs;
    }
    this.#seen = found;
  }

  #silentMs(): number {
    return this.#options.clock.monotonicMs() - this.#beatenMs;
  }

  /** Null when another process was quicker. */
  #take(verdict: Extract<Verdict, { kind: 'free' | 'dead' }>): DataLock | null {
    const kernel = this.#kernel.kind === 'taken' ? this.#kernel : null;
    const holder = newHolder(this.#place, kernel?.inode ?? null);
    const text = JSON.stringify(holder);
    const isTaken =
      verdict.kind === 'free'
        ? createLockFile(this.#file, text)
        : takeOverLockFile(this.#file, this.#seen?.text ?? '', text);
    if (!isTaken) return null;
    return new HeldLock(this.#file, holder, {
      ...this.#options,
      beatMs: this.#times.beatMs,
      predecessorDied: verdict.kind === 'dead' || this.#leftoversStopped,
      predecessorSilent: verdict.kind === 'dead' && verdict.silent,
      descriptor: kernel?.descriptor ?? null,
    });
  }

  async #stopLeftovers(): Promise<void> {
    const { clock, signal, stopLeftovers } = this.#options;
    if (!this.#leftoversStopped && stopLeftovers !== undefined) {
      this.#leftoversStopped = true;
      await stopLeftovers();
      this.#waitingSinceMs = clock.monotonicMs();
    } else {
      this.#mayWait(false, this.#leftoversStopped);
      await clock.sleep(POLL_MS, signal);
    }
  }

  /** @throws DataDirectoryInUse when the holder will not end */
  #mayWait(isElsewhere: boolean, mayEnd = isElsewhere): void {
    const { clock, log, waits = true } = this.#options;
    const { staleMs } = this.#times;
    const who = describeHolder(this.#holder, this.#place);
    const byKernel = this.#kernel.kind === 'held';
    // A heartbeat of the last seconds may have been the last one.
    const isOver =
      clock.monotonicMs() - this.#waitingSinceMs >= staleMs && (byKernel || this.#silentMs() < staleMs / 2);
    if (!mayEnd || !waits || isOver) throw new DataDirectoryInUse(who, this.#file, isElsewhere);
    if (this.#told) return;
    this.#told = true;
    const limit = `${Math.ceil(staleMs / 1_000)} s`;
    const why = byKernel
      ? `waiting up to ${limit} for it to end`
      : `it counts as dead after ${limit} without a heartbeat`;
    log.warn({ holder: this.#holder, file: this.#file }, `${who} has the lock of data_dir: ${why}`);
  }
}
