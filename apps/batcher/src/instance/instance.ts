import { type BatcherLane, RedisFailure } from '@sink/lane';
import type { Clock } from '@sink/runtime';
import type { InstanceSpool } from '@sink/spool';
import type { LaneBatcher } from '../lane/lane-batcher.ts';
import type { Reporter } from '../ports.ts';
import type { BatcherSettings } from '../settings.ts';

/** What one instance has for one lane. */
export interface LaneRuntime {
  readonly lane: BatcherLane;
  readonly batcher: LaneBatcher;
  readonly reporter: Reporter;
}

/** Work that an instance does beside its lanes. It ends when its signal aborts, and never rejects. */
export interface Chore {
  runUntil(ended: AbortSignal): Promise<void>;
}

export interface BatcherInstancePorts {
  /** New for each instance. */
  readonly consumer: string;
  readonly lanes: readonly LaneRuntime[];
  readonly chores: readonly Chore[];
  readonly spool: Pick<InstanceSpool, 'close'>;
  readonly clock: Clock;
  /** Its signal is the lanes' `lost`. */
  readonly lost: AbortController;
  /** Aborts when another instance is to replace this one in order. */
  readonly replaced: AbortSignal;
  readonly closeReaders: () => void;
}

type LeaseSettings = Pick<BatcherSettings, 'leaseMs' | 'renewalsPerLease' | 'leaseRetryWaitMs'>;

/** Nothing of this instance may be sealed any more. */
class LeaseLost extends Error {
  readonly code = 'lease_lost';
  readonly retryable = true;
  constructor(consumer: string) {
    super(`batcher instance ${consumer}: its lease is lost, or one of its lanes failed`);
    this.name = 'LeaseLost';
  }
}

/**
 * One batcher instance on all lanes, under a name that no instance had before. When one of its leases is gone, another
 * batcher may have taken over its chunks: the instance throws away what is not sealed and ends, and the supervisor starts
 * another under a new name.
 */
export class BatcherInstance {
  readonly #ports: BatcherInstancePorts;
  readonly #settings: LeaseSettings;
  /** Lanes on which this instance has its lease. A lane whose lease cannot be taken does not delay the others. */
  readonly #leased = new Set<LaneRuntime>();

  constructor(ports: BatcherInstancePorts, settings: LeaseSettings) {
    this.#ports = ports;
    this.#settings = settings;
  }

  /**
   * Runs until `stop` aborts, or another instance is to replace this one, and everything is sealed; or until a lease is lost.
   * To be called once.
   * @throws the error of a lane, unless it is retryable
   */
  async run(stop: AbortSignal): Promise<'stopped' | 'lease_lost'> {
    const { chores, spool, replaced, closeReaders } = this.#ports;
    const ended = new AbortController();
    const halt = AbortSignal.any([stop, replaced]);
    const choresEnded = AbortSignal.any([halt, ended.signal]);
    const choring = chores.map((chore) => chore.runUntil(choresEnded));
    try {
      return await this.#runLanes(halt);
    } finally {
      ended.abort();
      await Promise.all(choring);
      closeReaders();
      await spool.close();
    }
  }

  /** Has every lane seal soon what is open. */
  closeEarly(): void {
    for (const { batcher } of this.#ports.lanes) batcher.closeEarly();
  }

  /** Whether a segment's file is between sealed on disk and sealed in its lane. */
  isClosing(segmentId: string): boolean {
    return this.#ports.lanes.some(({ batcher }) => batcher.isClosing(segmentId));
  }

  async #runLanes(halt: AbortSignal): Promise<'stopped' | 'lease_lost'> {
    const { lanes, lost, consumer } = this.#ports;
    const ended = new AbortController();
    const renewing = this.#renewUntil(ended.signal);
    renewing.catch(() => this.#lose()); // awaited below, when the lanes have ended
    try {
      // A lane that fails ends the instance: the others throw away what is open, and another instance reads it again.
      const runs = lanes.map((runtime) =>
        this.#runLane(runtime, AbortSignal.any([halt, lost.signal])).catch((error: unknown) => {
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
    if (lost.signal.aborted) return 'lease_lost';
    await Promise.all([...this.#leased].map(({ lane }) => lane.leave(consumer).catch(() => undefined)));
    return 'stopped';
  }

  async #runLane(runtime: LaneRuntime, halt: AbortSignal): Promise<void> {
    if (await this.#takeLease(runtime, halt)) await runtime.batcher.run(halt);
  }

  /** Tries until there is a lease; false if the instance ends before. Nothing is read without a lease. */
  async #takeLease(runtime: LaneRuntime, halt: AbortSignal): Promise<boolean> {
    const { lane, batcher, reporter } = runtime;
    const { leaseMs, leaseRetryWaitMs } = this.#settings;
    while (!halt.aborted) {
      try {
        await batcher.openLane();
        // If the answer to an earlier try was lost, the lease is ours already and its time starts again.
        await lane.takeLease(this.#ports.consumer, leaseMs);
        this.#leased.add(runtime);
        return true;
      } catch (error) {
        if (!(error instanceof RedisFailure)) throw error;
        reporter.failed({ err: error });
        await this.#ports.clock.sleep(leaseRetryWaitMs, halt);
      }
    }
    return false;
  }

  async #renewUntil(ended: AbortSignal): Promise<void> {
    const { clock, lost } = this.#ports;
    while (!ended.aborted && !lost.signal.aborted) {
      const { leaseMs, renewalsPerLease } = this.#settings;
      await clock.sleep(leaseMs / renewalsPerLease, ended);
      await Promise.all([...this.#leased].map(({ lane }) => this.#renew(lane)));
    }
  }

  /** Without an answer the lease may expire; the next answer then reports it. */
  async #renew(lane: BatcherLane): Promise<void> {
    try {
      if (!(await lane.renewLease(this.#ports.consumer, this.#settings.leaseMs))) this.#lose();
    } catch (error) {
      if (!(error instanceof RedisFailure)) throw error;
    }
  }

  #lose(): void {
    this.#ports.lost.abort(new LeaseLost(this.#ports.consumer));
  }
}
