import { destinationOf, isOlderChunk } from '@sink/domain';
import type { LaneView } from '../lane-view.ts';

/** Chunks that are asked for in one call. */
const PAGE = 200;
/** Chunks whose paths are asked for in one call. */
const PATHS_PAGE = 10;
/** So many chunks are looked at to say what is missing. */
const NAMED_MAX = 10_000;

/** What of a lane is not in the bucket. */
export interface MissingInLane {
  readonly lane: number;
  /** Events in no sealed segment yet. */
  readonly unsealedEvents: number;
  /** Events in sealed segments that wait for their upload. */
  readonly sealedEvents: number;
  /** Segments that wait for their upload and are in spool files only. */
  readonly spilledSegments: number;
  /** Whether there are more chunks than were counted. */
  readonly andMore: boolean;
}

/**
 * What a lane had when a flush began and is not in the bucket yet: chunks, then the segments into which the last of them
 * were spilled. Both only become fewer.
 */
export class LaneRest {
  readonly lane: LaneView;
  /** The last chunk that is meant; null: the lane has none. */
  readonly upTo: string | null;
  readonly #path: string | null;
  #chunks: string[] | null = null;
  #spilled: Set<string> | null = null;

  constructor(lane: LaneView, upTo: string | null, path: string | null) {
    this.lane = lane;
    this.upTo = upTo;
    this.#path = path;
  }

  /** Looks again; true: all of it is in the bucket. */
  async isDone(): Promise<boolean> {
    if (this.upTo === null) return true;
    this.#chunks ??= await this.#findChunks(this.upTo);
    await this.#dropCommitted(this.#chunks);
    if (this.#chunks.length > 0) return false;
    // Only now: a chunk leaves the lane in the moment in which its segment is spilled.
    const there = await this.#findSpilled();
    this.#spilled = this.#spilled === null ? there : this.#spilled.intersection(there);
    return this.#spilled.size === 0;
  }

  async missing(): Promise<MissingInLane> {
    const chunks = this.#chunks ?? [];
    let [unsealedEvents, sealedEvents] = [0, 0];
    for (let at = 0; at < Math.min(chunks.length, NAMED_MAX); at += PAGE) {
      for (const { left, unsealed } of await this.lane.leftOf(chunks.slice(at, at + PAGE))) {
        unsealedEvents += Math.min(left, unsealed);
        sealedEvents += Math.max(0, left - unsealed);
      }
    }
    const spilledSegments = (await this.#findSpilled()).size;
    return {
      lane: this.lane.number,
      unsealedEvents,
      sealedEvents,
      spilledSegments,
      andMore: chunks.length > NAMED_MAX,
    };
  }

  async #findChunks(upTo: string): Promise<string[]> {
    const found = new Set<string>();
    for await (const page of this.lane.leftIds()) {
      const meant = page.filter((id) => !isOlderChunk(upTo, id));
      for (const id of this.#path === null ? meant : await this.#ofPath(meant, this.#path)) found.add(id);
    }
    return [...found].sort((a, b) => (isOlderChunk(a, b) ? -1 : 1));
  }

  /** A few at a time: the script reads each chunk with its body. */
  async #ofPath(ids: readonly string[], path: string): Promise<string[]> {
    const found: string[] = [];
    for (let at = 0; at < ids.length; at += PATHS_PAGE) {
      const some = ids.slice(at, at + PATHS_PAGE);
      const paths = await this.lane.pathsOf(some);
      found.push(...some.filter((_, index) => paths[index] === path));
    }
    return found;
  }

  async #dropCommitted(chunks: string[]): Promise<void> {
    while (chunks.length > 0) {
      const page = chunks.slice(0, PAGE);
      const left = await this.lane.leftOf(page);
      const rest = page.filter((_, index) => (left[index]?.left ?? 0) > 0);
      chunks.splice(0, page.length, ...rest);
      if (rest.length > 0) return;
    }
  }

  async #findSpilled(): Promise<Set<string>> {
    const found = new Set<string>();
    for await (const page of this.lane.spilledEntries()) {
      for (const { id, record } of page) {
        // What a newer release wrote counts: it may be of any path.
        if (this.#path === null || record === null || destinationOf(record).path === this.#path) found.add(id);
      }
    }
    return found;
  }
}
