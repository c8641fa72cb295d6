import { type FlushRequest, readFlush } from '@sink/lane';
import type { BatcherPorts } from '../ports.ts';
import type { BatcherSettings } from '../settings.ts';
import type { LaneRuntime } from './instance.ts';

export interface FlushWatchPorts extends Pick<BatcherPorts, 'redis' | 'clock'> {
  readonly lanes: readonly { readonly lane: Pick<LaneRuntime['lane'], 'number'>; readonly batcher: Flushed }[];
}

interface Flushed {
  flush(asked: LaneFlush | null): void;
}

/** What a lane is asked to close: what holds events of chunks up to this one. */
export interface LaneFlush {
  readonly id: string;
  readonly upTo: string;
  /** Only of this path; null: all. */
  readonly path: string | null;
}

/** Looks whether a flush is asked for, and tells the lanes. */
export class FlushWatch {
  readonly #ports: FlushWatchPorts;
  readonly #settings: Pick<BatcherSettings, 'sinkName' | 'flushLookEveryMs'>;

  constructor(ports: FlushWatchPorts, settings: Pick<BatcherSettings, 'sinkName' | 'flushLookEveryMs'>) {
    this.#ports = ports;
    this.#settings = settings;
  }

  async runUntil(ended: AbortSignal): Promise<void> {
    const { redis, clock } = this.#ports;
    if (this.#settings.flushLookEveryMs === Infinity) return;
    while (!ended.aborted) {
      try {
        this.#tell(await readFlush(redis, this.#settings.sinkName));
      } catch {
        // Redis is away, which others report; the next look is soon.
      }
      await clock.sleep(this.#settings.flushLookEveryMs, ended);
    }
  }

  #tell(request: FlushRequest | null): void {
    for (const { lane, batcher } of this.#ports.lanes) {
      const upTo = request?.upTo[String(lane.number)];
      batcher.flush(request === null || upTo === undefined ? null : { id: request.id, upTo, path: request.path });
    }
  }
}
