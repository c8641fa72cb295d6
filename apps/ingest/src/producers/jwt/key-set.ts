import type { Clock } from '@sink/runtime';
import { Keys } from './keys.ts';

export interface KeySetPorts {
  /** Fetches the keys that the issuer publishes now; rejects if it cannot. */
  readonly fetch: (signal: AbortSignal) => Promise<readonly object[]>;
  readonly clock: Pick<Clock, 'monotonicMs' | 'sleep'>;
  /** The keys have changed: what was verified with others does not count any more. */
  readonly changed: (before: Keys) => void;
  /** A fetch has ended, well or not. */
  readonly ended: () => void;
}

/** From the beginning of one fetch to that of the next, at least; and after a failure. */
export const FETCH_EVERY_MS_MIN = 5_000;
/** Issuers publish a key long before they sign with it, so that a fetch in time spares senders the wait for it. */
const REFRESH_EVERY_MS = 300_000;
/** Requests that wait for a fetch, each with a connection of its own. */
const WAITING_MAX = 1_000;

export type Fetched = { readonly kind: 'fetched' } | { readonly kind: 'failed'; readonly why: string };

const FETCHED: Fetched = { kind: 'fetched' };

/**
 * The keys of one issuer, kept fresh: fetched at the start, then every five minutes, and sooner when a token names a key
 * that is not among them. The last keys that could be fetched stay in force while the issuer is away.
 */
export class KeySet {
  readonly #ports: KeySetPorts;
  #keys: Keys | null = null;
  /** The number of the fetch that brought the keys, or confirmed them. 0: none has. */
  #confirmedBy = 0;
  #begun = 0;
  #isFetching = false;
  /** Null: the last fetch succeeded, or none has ended. */
  #failure: string | null = null;
  #freshAtMs: number;
  #waiting: ((fetched: Fetched) => void)[] = [];
  /** The next fetch is not to wait until the keys are old. */
  #isWanted = false;
  #wake: (() => void) | null = null;
  #counts = { success: 0, failure: 0 };

  constructor(ports: KeySetPorts) {
    this.#ports = ports;
    this.#freshAtMs = ports.clock.monotonicMs();
  }

  /** Null: none could be fetched yet. */
  get keys(): Keys | null {
    return this.#keys;
  }

  /** How many fetches have begun. */
  get begun(): number {
    return this.#begun;
  }

  /** The number, from 1 on, of the fetch that says that these are the keys. */
  get confirmedBy(): number {
    return this.#confirmedBy;
  }

  /** Why the last fetch failed; null: it did not. */
  get failure(): string | null {
    return this.#failure;
  }

  get counts(): Readonly<Record<'success' | 'failure', number>> {
    return this.#counts;
  }

  /** Since the keys were fetched; before they were, since the start. */
  get ageMs(): number {
    return this.#ports.clock.monotonicMs() - this.#freshAtMs;
  }

  /** How the fetch ends that goes on, or else the next one, which begins as soon as it may. */
  fetched(): Promise<Fetched> {
    // It has just failed, and is tried again soon.
    if (!this.#isFetching && this.#failure !== null) return Promise.resolve({ kind: 'failed', why: this.#failure });
    if (this.#waiting.length >= WAITING_MAX) {
      return Promise.resolve({ kind: 'failed', why: 'too many requests wait for the keys of the issuer' });
    }
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.fetchSoon();
    });
  }

  /** Does not wait with the next fetch until the keys are old. */
  fetchSoon(): void {
    if (this.#isFetching) return;
    this.#isWanted = true;
    this.#wake?.();
  }

  /** Keeps the keys fresh. Resolves when the signal aborts; from then on no request waits. */
  async keepUntil(ended: AbortSignal): Promise<void> {
    const { clock } = this.#ports;
    while (!ended.aborted) {
      const beganMs = clock.monotonicMs();
      await this.#fetch(ended);
      await clock.sleep(FETCH_EVERY_MS_MIN - (clock.monotonicMs() - beganMs), ended);
      if (this.#failure === null && !this.#isWanted) await this.#sleep(ended);
    }
    this.#settle('this instance is stopping');
  }

  async #sleep(ended: AbortSignal): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    await this.#ports.clock.sleep(REFRESH_EVERY_MS, AbortSignal.any([ended, woken.signal]));
    this.#wake = null;
  }

  async #fetch(ended: AbortSignal): Promise<void> {
    const { fetch, clock } = this.#ports;
    const number = ++this.#begun;
    this.#isFetching = true;
    this.#isWanted = false;
    let failure: string | null = null;
    try {
      this.#use(new Keys(await fetch(ended)), number);
      this.#freshAtMs = clock.monotonicMs();
      this.#counts.success += 1;
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
      if (!ended.aborted) this.#counts.failure += 1;
    }
    this.#isFetching = false;
    this.#settle(failure);
    this.#ports.ended();
  }

  #use(keys: Keys, number: number): void {
    this.#confirmedBy = number;
    const before = this.#keys;
    if (before?.text === keys.text) return;
    this.#keys = keys;
    if (before !== null) this.#ports.changed(before);
  }

  #settle(failure: string | null): void {
    this.#failure = failure;
    const fetched: Fetched = failure === null ? FETCHED : { kind: 'failed', why: failure };
    for (const resolve of this.#waiting.splice(0)) resolve(fetched);
  }
}
