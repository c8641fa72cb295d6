import { type Lane, RedisInDoubt, RedisRefused } from '@sink/lane';
import type { LaneBatcher } from './lane-batcher.ts';
import type { BatcherClock } from './ports.ts';
import type { Sealer } from './sealer.ts';

export interface InstanceLane {
  readonly lane: Lane;
  readonly sealer: Sealer;
  readonly batcher: LaneBatcher;
}

export interface InstanceOptions {
  readonly consumer: string;
  readonly leaseMs: number;
  /** A part of the lease, so that an answer may get lost before anybody takes over. */
  readonly renewEveryMs: number;
}

/** The wait between tries to take the first leases, in milliseconds. */
const RETRY_WAIT_MS = 200;

/**
 * One batcher instance on all its lanes, under a name that nobody had before. When one of its leases is gone, somebody may
 * have taken over: it throws away what is not sealed and ends, and the service starts another under a new name.
 */
export class BatcherInstance {
  readonly #lanes: readonly InstanceLane[];
  readonly #clock: BatcherClock;
  readonly #options: InstanceOptions;

  constructor(lanes: readonly InstanceLane[], clock: BatcherClock, options: InstanceOptions) {
    this.#lanes = lanes;
    this.#clock = clock;
    this.#options = options;
  }

  get openFiles(): number {
    return this.#lanes.reduce((sum, { batcher }) => sum + batcher.openFiles, 0);
  }

  /** Runs until `stop` aborts and everything is sealed, or until a lease is lost. */
  async run(stop: AbortSignal): Promise<'stopped' | 'lease_lost'> {
    await this.#takeLeases();
    const ended = new AbortController();
    const lost = new AbortController();
    const halt = AbortSignal.any([stop, lost.signal]);
    const renewing = this.#renew(lost, ended.signal);
    try {
      // A lane that fails ends the instance: the others throw away what is open, and another instance reads it again.
      const runs = this.#lanes.map(({ batcher, sealer }) =>
        batcher.run(halt, lost.signal).catch((error: unknown) => {
          sealer.abandon();
          lost.abort();
          throw error;
        }),
      );
      const failed = (await Promise.allSettled(runs)).find((run) => run.status === 'rejected');
      if (failed) throw failed.reason;
    } finally {
      ended.abort();
      await renewing;
    }
    if (lost.signal.aborted) return 'lease_lost';
    await Promise.all(this.#lanes.map(({ lane }) => lane.dropLease(this.#options.consumer).catch(() => undefined)));
    return 'stopped';
  }

  async #takeLeases(): Promise<void> {
    for (const { lane, sealer } of this.#lanes) {
      for (let taken = false; !taken;) {
        try {
          await sealer.openLane();
          // 'held' is our own lease, taken by a try whose answer was lost: the name is new.
          await lane.takeLease(this.#options.consumer, this.#options.leaseMs);
          taken = true;
        } catch (error) {
          if (!(error instanceof RedisInDoubt) && !(error instanceof RedisRefused)) throw error;
          await this.#clock.sleep(RETRY_WAIT_MS);
        }
      }
    }
  }

  /** Renews until `ended`. Without an answer the lease may lapse: then the next answer says so. */
  async #renew(lost: AbortController, ended: AbortSignal): Promise<void> {
    while (!ended.aborted && !lost.signal.aborted) {
      await this.#clock.sleep(this.#options.renewEveryMs, ended);
      for (const { lane } of this.#lanes) {
        try {
          if (await lane.renewLease(this.#options.consumer, this.#options.leaseMs)) continue;
          for (const other of this.#lanes) other.sealer.abandon();
          lost.abort();
        } catch (error) {
          if (!(error instanceof RedisInDoubt) && !(error instanceof RedisRefused)) throw error;
        }
      }
    }
  }
}
