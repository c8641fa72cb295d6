import { LaneView } from './lane-view.ts';
import {
  append,
  type AppendAnswer,
  type AppendOnceAnswer,
  type AppendRequest,
  type DedupeWindow,
} from './steps/append.ts';
import { type DurabilityBarrier, reached } from './steps/barrier.ts';
import { openLane } from './steps/open.ts';
import { registerWriter } from './steps/writers.ts';

const TRIAL_TTL_MS = 1_000;

/** The steps that ingest may take on a lane. */
export class IngestLane extends LaneView {
  /** Creates what the lane needs in Redis and returns its uid: `uid`, or the one it already has. */
  open(uid: string): Promise<string> {
    return openLane(this.redis, this.number, this.keys, uid);
  }

  /** Returns the id of a new writer. */
  registerWriter(nonce: string): Promise<string> {
    return registerWriter(this.redis, this.keys, nonce);
  }

  /** Returns whether Redis knew the writer. */
  async forgetWriter(writer: string): Promise<boolean> {
    return (await this.redis.call('HDEL', [this.keys.writers, writer])) === 1;
  }

  async append(request: AppendRequest): Promise<AppendAnswer> {
    return (await append(this.redis, this.keys, request)).answer;
  }

  /** As `append`, without the events with marks that were stored within the window. `stored` also if all were. */
  appendOnce(request: AppendRequest, window: DedupeWindow): Promise<AppendOnceAnswer> {
    return append(this.redis, this.keys, request, window);
  }

  /** Stores something that expires at once, where and as an append would. @throws RedisFailure */
  async tryStoring(): Promise<void> {
    await this.redis.call('SET', [this.keys.trial, '', 'PX', TRIAL_TTL_MS]);
  }

  /** Whether everything that this connection wrote so far is as durable as asked for. Call it after the write's answer. */
  reached(barrier: DurabilityBarrier): Promise<boolean> {
    return reached(this.redis, this.keys, barrier);
  }
}
