import { closeSync, rmSync } from 'node:fs';
import type { Clock, FailureLog } from '@sink/runtime';
import { beatLockFile, createLockFile, readLockFile, replaceLockFile } from './lock-file.ts';
import { type Holder, parseHolder } from './lock-holder.ts';

export interface DataLock {
  /** The earlier sink on this directory did not stop in order: some of its processes may still run. */
  readonly predecessorDied: boolean;
  /** Nothing but its silence says that the earlier sink, on another host, is dead. */
  readonly predecessorSilent: boolean;
  /** For redis-server to inherit, so that the lock lasts as long as it runs. Null without a lock of the kernel. */
  readonly descriptor: number | null;
  /** Aborts when another host has taken the lock, because this one was silent for too long. */
  readonly lost: AbortSignal;
  /** `killed`: no process of this sink runs any more, but not all stopped in order. */
  release(how?: 'in order' | 'killed'): void;
}

export interface HeldOptions extends Pick<DataLock, 'predecessorDied' | 'predecessorSilent' | 'descriptor'> {
  readonly clock: Clock;
  readonly log: FailureLog;
  readonly beatMs: number;
}

/** The lock of this process, which gives it its heartbeat until it is released or lost. */
export class HeldLock implements DataLock {
  readonly predecessorDied: boolean;
  readonly predecessorSilent: boolean;
  readonly descriptor: number | null;
  readonly #file: string;
  readonly #holder: Holder;
  readonly #text: string;
  readonly #options: HeldOptions;
  readonly #lost = new AbortController();
  readonly #released = new AbortController();

  constructor(file: string, holder: Holder, options: HeldOptions) {
    this.predecessorDied = options.predecessorDied;
    this.predecessorSilent = options.predecessorSilent;
    this.descriptor = options.descriptor;
    this.#file = file;
    this.#holder = holder;
    this.#text = JSON.stringify(holder);
    this.#options = options;
    void this.#keepBeating(this.#released.signal);
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  release(how: 'in order' | 'killed' = 'in order'): void {
    if (this.#released.signal.aborted) return;
    this.#released.abort();
    try {
      if (readLockFile(this.#file)?.text === this.#text) {
        if (how === 'in order') rmSync(this.#file, { force: true });
        else replaceLockFile(this.#file, JSON.stringify({ ...this.#holder, ended: true }));
      }
    } finally {
      if (this.descriptor !== null) closeSync(this.descriptor);
    }
  }

  async #keepBeating(released: AbortSignal): Promise<void> {
    const { beatMs, clock, log } = this.#options;
    let isFailing = false;
    for (;;) {
      await clock.sleep(beatMs, released);
      if (released.aborted) return;
      try {
        const outcome = await beatLockFile(this.#file, this.#text);
        if (this.#released.signal.aborted) return;
        if (outcome === 'lost' || (outcome === 'missing' && !createLockFile(this.#file, this.#text))) break;
        isFailing = false;
      } catch (err) {
        if (!isFailing) log.warn({ err, file: this.#file }, 'the lock of data_dir gets no heartbeat');
        isFailing = true;
      }
    }
    const holder = parseHolder(readLockFile(this.#file)?.text ?? '');
    log.error({ holder, file: this.#file }, 'another sink has taken the lock of data_dir while this one was silent');
    this.#lost.abort();
  }
}
