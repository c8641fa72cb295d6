import type { SpoolDirectory } from '@sink/spool';
import type { BatcherClock, RoomPort } from './ports.ts';

const LOOK_EVERY_MS = 250;
/** Adding up the files of a large spool takes at most this part of the time. */
const WALK_SHARE = 0.1;
const WALK_EVERY_MS = 1_000;
/** What may be written before the next look: one read of chunks. */
const AHEAD_BYTES = 16 * 1024 * 1024;
const RESERVE_BYTES = 1024 ** 3;

export interface SpoolRoomOptions {
  readonly spool: Pick<SpoolDirectory, 'path' | 'usedBytes' | 'disk'>;
  /** Null: as much as the disk has. */
  readonly maxBytes: number | null;
  /** Null: 1 GiB, but at most a tenth of the disk. */
  readonly reserveBytes: number | null;
}

/**
 * Whether segment files may be written: the spool has a limit of its own, and leaves some of the disk to others, because a
 * Redis on the same disk ends with it. Without room nothing more is read from Redis, whose own limit then makes ingest
 * refuse.
 */
export class SpoolRoom implements RoomPort {
  readonly #options: SpoolRoomOptions;
  readonly #clock: BatcherClock;
  readonly #changed: (problem: string | null) => void;
  #problem: string | null = null;
  #spoolBytes = 0;
  #freeBytes = Number.MAX_SAFE_INTEGER;
  #reserveBytes = 0;
  #tookBytes = 0;
  #nextWalkMs = Number.NEGATIVE_INFINITY;

  /** @param changed hears what is wrong, in a sentence, and null when it is not any more */
  constructor(options: SpoolRoomOptions, clock: BatcherClock, changed: (problem: string | null) => void) {
    this.#options = options;
    this.#clock = clock;
    this.#changed = changed;
  }

  /** Bytes of the spool's files, as of the last look. */
  get usedBytes(): number {
    return this.#spoolBytes;
  }

  hasRoom(): boolean {
    return this.#problem === null;
  }

  took(bytes: number): void {
    this.#tookBytes += bytes;
    this.#judge();
  }

  async watchUntil(ended: AbortSignal): Promise<void> {
    while (!ended.aborted) {
      await this.look().catch(() => undefined); // a directory that is not there yet, or any more, shows elsewhere
      await this.#clock.sleep(LOOK_EVERY_MS, ended);
    }
  }

  async look(): Promise<void> {
    const tookBefore = this.#tookBytes;
    const startedMs = this.#clock.monotonicMs();
    if (startedMs >= this.#nextWalkMs) {
      this.#spoolBytes = await this.#options.spool.usedBytes();
      // What was written meanwhile may or may not be in it.
      this.#tookBytes -= tookBefore;
      const walkMs = this.#clock.monotonicMs() - startedMs;
      this.#nextWalkMs = startedMs + Math.max(WALK_EVERY_MS, walkMs / WALK_SHARE);
    }
    const { freeBytes, totalBytes } = await this.#options.spool.disk();
    this.#freeBytes = freeBytes;
    this.#reserveBytes = this.#options.reserveBytes ?? Math.min(RESERVE_BYTES, Math.floor(totalBytes / 10));
    this.#judge();
  }

  #judge(): void {
    const problem = this.#findProblem();
    if (problem === this.#problem) return;
    this.#problem = problem;
    this.#changed(problem);
  }

  #findProblem(): string | null {
    const { maxBytes, spool } = this.#options;
    if (this.#freeBytes < this.#reserveBytes) {
      return `the disk of ${spool.path} has less than disk_reserve_bytes left; events stay in Redis, and are refused once it is full`;
    }
    if (maxBytes !== null && this.#spoolBytes + this.#tookBytes + Math.min(AHEAD_BYTES, maxBytes / 4) > maxBytes) {
      return `the spool has reached max_spool_bytes; events stay in Redis, and are refused once it is full`;
    }
    return null;
  }
}
