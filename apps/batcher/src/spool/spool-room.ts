import type { Clock } from '@sink/runtime';
import type { BatcherSpool } from '../ports.ts';
import type { BatcherSettings } from '../settings.ts';

/** What part of the time, at most, goes into adding up the files of a large spool. */
const WALK_SHARE = 0.1;

export interface SpoolRoomPorts {
  readonly spool: Pick<BatcherSpool, 'path' | 'usedBytes' | 'disk'>;
  readonly clock: Clock;
  /** Called with the bytes of the spool's files, after each look at them. */
  readonly used: (bytes: number) => void;
  /** Called with the state of the disk, after each look at it. */
  readonly disk: (disk: { freeBytes: number; totalBytes: number; reserveBytes: number }) => void;
  /** Called with what is wrong, as a sentence, and with null when there is room again. */
  readonly changed: (problem: string | null) => void;
}

export type SpoolRoomOptions = Pick<
  BatcherSettings,
  'spoolBytesMax' | 'reserveBytes' | 'roomLookEveryMs' | 'roomWalkEveryMs' | 'roomAheadBytes' | 'reserveBytesDefault'
>;

/**
 * Whether segment files may be written. The spool has a limit of its own, and leaves some of the disk free, because a Redis
 * on the same disk fails when the disk is full. Without room the batcher reads nothing more from Redis; then Redis reaches
 * its own limit, and ingest refuses events.
 */
export class SpoolRoom {
  readonly #ports: SpoolRoomPorts;
  readonly #options: SpoolRoomOptions;
  #problem: string | null = null;
  #spoolBytes = 0;
  #freeBytes = Number.MAX_SAFE_INTEGER;
  #reserveBytes = 0;
  #tookBytes = 0;
  #heldBytes = 0;
  #nextWalkMs = Number.NEGATIVE_INFINITY;

  constructor(ports: SpoolRoomPorts, options: SpoolRoomOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  hasRoom(): boolean {
    return this.#problem === null;
  }

  /** Counts what was written since the last look. */
  took(bytes: number): void {
    this.#tookBytes += bytes;
    this.#judge();
  }

  /** Counts what is in memory and will be written: more, or less because it is written or dropped now. */
  holds(bytes: number): void {
    this.#heldBytes += bytes;
    this.#judge();
  }

  async watchUntil(ended: AbortSignal): Promise<void> {
    while (!ended.aborted) {
      await this.look().catch(() => undefined); // a directory that does not exist fails where it is used
      await this.#ports.clock.sleep(this.#options.roomLookEveryMs, ended);
    }
  }

  async look(): Promise<void> {
    const { spool, clock, used } = this.#ports;
    const tookBefore = this.#tookBytes;
    const startedMs = clock.monotonicMs();
    if (startedMs >= this.#nextWalkMs) {
      this.#spoolBytes = await spool.usedBytes();
      used(this.#spoolBytes);
      // What was written meanwhile may be in it or not.
      this.#tookBytes -= tookBefore;
      const walkMs = clock.monotonicMs() - startedMs;
      this.#nextWalkMs = startedMs + Math.max(this.#options.roomWalkEveryMs, walkMs / WALK_SHARE);
    }
    const { reserveBytes, reserveBytesDefault } = this.#options;
    const { freeBytes, totalBytes } = await spool.disk();
    this.#freeBytes = freeBytes;
    this.#reserveBytes = reserveBytes ?? Math.min(reserveBytesDefault, Math.floor(totalBytes / 10));
    this.#ports.disk({ freeBytes, totalBytes, reserveBytes: this.#reserveBytes });
    this.#judge();
  }

  #judge(): void {
    const problem = this.#findProblem();
    if (problem === this.#problem) return;
    this.#problem = problem;
    this.#ports.changed(problem);
  }

  #findProblem(): string | null {
    const { spoolBytesMax, roomAheadBytes } = this.#options;
    if (this.#freeBytes - this.#heldBytes < this.#reserveBytes) {
      return `the disk of ${this.#ports.spool.path} has less than disk_reserve_bytes left; events stay in Redis, and are refused once it is full`;
    }
    if (spoolBytesMax === null) return null;
    const aheadBytes = Math.min(roomAheadBytes, spoolBytesMax / 4);
    if (this.#spoolBytes + this.#tookBytes + this.#heldBytes + aheadBytes <= spoolBytesMax) return null;
    return `the spool has reached max_spool_bytes; events stay in Redis, and are refused once it is full`;
  }
}
