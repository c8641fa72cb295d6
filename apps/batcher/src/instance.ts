import { type BatcherLane, RedisFailure } from '@sink/lane';
import type { LaneBatcher } from './lane-batcher.ts';
import type { BatcherClock, HealthPort } from './ports.ts';
import type { Sealer } from './sealer.ts';

export interface InstanceLane {
  readonly lane: BatcherLane;
  readonly sealer: Sealer;
  readonly batcher: LaneBatcher;
  readonly health: HealthPort;
}

export interface InstanceOptions {
  readonly consumer: string;
  readonly leaseMs: number;
  /** A part of the lease, so that an answer may get lost before anybody takes over. */
  readonly renewEveryMs: number;
}

/** The wait between tries to take a first lease, in milliseconds. */
const RETRY_WAIT_MS = 200;

/**
 * One batcher instance on all its lanes, under a name that nobody had before. When one of its leases is gone, somebody may
 * have taken over: it throws away what is not sealed and ends, and the service starts another under a new name.
 */
export class BatcherInstance {
  readonly #lanes: readonly InstanceLane[];
  readonly #clock: BatcherClock;
  readonly #options: InstanceOptions;
  /** Lanes with a lease of ours. One that can not be had does not keep the others waiting. */
  readonly #leased = new Set<InstanceLane>();
  readonly #lost = new AbortController();

  constructor(lanes: readonly InstanceLane[], clock: BatcherClock, options: InstanceOptions) {
    this.#lanes = lanes;
    this.#clock = clock;
    this.#options = options;
  }

  get openFiles(): number {
    return this.#lanes.reduce((sum, { batcher }) => sum + batcher.openFiles, 0);
  }

  /**
   * Runs until `stop` aborts and everything is sealed, or until a lease is lost. To be called once.
   * @throws what a lane failed with, if reading again does not mend it
   */
  async run(stop: AbortSignal): Promise<'stopped' | 'lease_lost'> {
    const ended = new AbortController();
    const renewing = this.#renewUntil(ended.signal);
    renewing.catch(() => this.#lose()); // thrown below, once the lanes have ended
    try {
      // A lane that fails ends the instance: the others throw away what is open, and another instance reads it again.
      const runs = this.#lanes.map((part) =>
        this.#runLane(part, stop).catch((error: unknown) => {
          this.#lose();
          throw error;
        }),
      );
      const failed = (await Promise.allSettled(runs)).find((run) => run.status === 'rejected');
      if (failed) throw failed.reason;
    } finally {
      ended.abort();
      await renewing;
    }
    if (this.#lost.signal.aborted) return 'lease_lost';
    await Promise.all([...this.#leased].map(({ lane }) => lane.leave(this.#options.consumer).catch(() => undefined)));
    return 'stopped';
  }

  async #runLane(part: InstanceLane, stop: AbortSignal): Promise<void> {
    const halt = AbortSignal.any([stop, this.#lost.signal]);
    if (await this.#takeLease(part, halt)) await part.batcher.run(halt, this.#lost.signal);
  }

  /** Tries until there is a lease; false when it was stopped before. Nothing is read without one. */
  async #takeLease(part: InstanceLane, halt: AbortSignal): Promise<boolean> {
    const { lane, sealer, health } = part;
    const { consumer, leaseMs } = this.#options;
    while (!halt.aborted) {
      try {
        await sealer.openLane();
        // Again after a try whose answer was lost: the lease is ours then, and its time starts anew.
        await lane.takeLease(consumer, leaseMs);
        this.#leased.add(part);
        return true;
      } catch (error) {
        throwUnlessRedis(error);
        health.failing(error);
        await this.#clock.sleep(RETRY_WAIT_MS, halt);
      }
    }
    return false;
  }

  async #renewUntil(ended: AbortSignal): Promise<void> {
    while (!ended.aborted && !this.#lost.signal.aborted) {
      await this.#clock.sleep(this.#options.renewEveryMs, ended);
      await Promise.all([...this.#leased].map(({ lane }) => this.#renew(lane)));
    }
  }

  /** Without an answer the lease may lapse: then the next answer says so. */
  async #renew(lane: BatcherLane): Promise<void> {
    try {
      if (!(await lane.renewLease(this.#options.consumer, this.#options.leaseMs))) this.#lose();
    } catch (error) {
      throwUnlessRedis(error);
    }
  }

  /** Nothing is sent again from here on, and nobody waits for an answer any more. */
  #lose(): void {
    for (const { sealer } of this.#lanes) sealer.abandon();
    this.#lost.abort();
  }
}

function throwUnlessRedis(error: unknown): void {
  if (!(error instanceof RedisFailure)) throw error;
}
