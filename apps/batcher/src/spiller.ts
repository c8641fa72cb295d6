import type { BatcherLane } from '@sink/lane';
import type { BatcherClock, HealthPort, SpoolFolders, UploadsPort } from './ports.ts';

/** What part of the time, at most, goes into walking a large spool. */
const WALK_SHARE = 0.1;
/** Segments that are released between two looks at the backlog. */
const RELEASED_BETWEEN_LOOKS = 16;
/** Files found damaged that are remembered, so that they are not read again and again. */
const UNSOUND_MAX = 10_000;

export interface SpillingLane {
  readonly lane: BatcherLane;
  /** Seals what is open, full or not: only sealed segments can be released. */
  readonly closeEarly: () => void;
}

export interface SpillerPorts {
  readonly folders: SpoolFolders;
  readonly lanes: readonly SpillingLane[];
  readonly clock: BatcherClock;
  /** Whether an uploader on this spool directory is alive; nobody else can upload what is released here. */
  readonly uploaderIsHere: () => Promise<boolean>;
  /** The upload jobs of what is released here. A job that can not be added now, the uploaders' sweep adds. */
  readonly uploads: UploadsPort;
  /** Segments on their way from the disk to the lane. */
  readonly isClosing: (segmentId: string) => boolean;
  readonly released: (lane: number) => void;
  readonly health: HealthPort;
}

export interface SpillerOptions {
  readonly spoolId: string;
  /** Bytes of a lane's backlog in Redis from which on its segments are released. */
  readonly spillAtBytes: number;
  /** How often the backlog is looked at. */
  readonly lookEveryMs: number;
}

/**
 * Takes sealed segments out of Redis while there is too much in it, which is when the bucket is away: their spool files are
 * the only copies then (design, section 6). A file is verified, and marked durably, before its chunks go. Nobody removes a
 * marked file for want of a record, so there is always one who has the events.
 */
export class Spiller {
  readonly #ports: SpillerPorts;
  readonly #options: SpillerOptions;
  readonly #unsound = new Set<string>();

  constructor(ports: SpillerPorts, options: SpillerOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  async runUntil(ended: AbortSignal): Promise<void> {
    const { clock, health } = this.#ports;
    while (!ended.aborted) {
      const startedMs = clock.monotonicMs();
      try {
        await this.round(ended);
        health.working();
      } catch (error) {
        health.failing(error);
      }
      const tookMs = clock.monotonicMs() - startedMs;
      await clock.sleep(Math.max(this.#options.lookEveryMs, tookMs / WALK_SHARE - tookMs), ended);
    }
  }

  /** Releases segments until every lane is below its limit, or has none left here; asks for more where it has none. */
  async round(ended: AbortSignal): Promise<void> {
    let over = await this.#over(this.#ports.lanes);
    if (over.length === 0 || !(await this.#ports.uploaderIsHere())) return;
    let released = 0;
    for (const { instance, segmentId } of await this.#sealedFiles()) {
      if (ended.aborted) return;
      if (!(await this.#release(instance, segmentId, over))) continue;
      released += 1;
      if (released % RELEASED_BETWEEN_LOOKS > 0) continue;
      over = await this.#over(over);
      if (over.length === 0) return;
    }
    for (const { closeEarly } of await this.#over(over)) closeEarly();
  }

  async #sealedFiles(): Promise<{ instance: string; segmentId: string }[]> {
    const { folders, isClosing } = this.#ports;
    const found: { instance: string; segmentId: string }[] = [];
    for (const instance of await folders.instances()) {
      for (const { segmentId, state } of await folders.files(instance)) {
        if (state !== 'sealed' || isClosing(segmentId) || this.#unsound.has(segmentId)) continue;
        found.push({ instance, segmentId });
      }
    }
    return found;
  }

  async #over(lanes: readonly SpillingLane[]): Promise<SpillingLane[]> {
    const backlogs = await Promise.all(lanes.map(({ lane }) => lane.backlog()));
    return lanes.filter((_, index) => (backlogs[index]?.bytes ?? 0) >= this.#options.spillAtBytes);
  }

  async #release(instance: string, segmentId: string, lanes: readonly SpillingLane[]): Promise<boolean> {
    const { folders, uploads, released } = this.#ports;
    for (const { lane } of lanes) {
      const record = await lane.record(segmentId);
      if (record === null) continue;
      const found = await folders.examine(instance, segmentId, { sealed: record });
      if (found.kind === 'missing') return false;
      if (found.kind !== 'sound') {
        if (this.#unsound.size < UNSOUND_MAX) this.#unsound.add(segmentId);
        return false;
      }
      if (!(await folders.mark(instance, segmentId))) return false; // rule: spill.marked
      const answer = await lane.release(record, this.#options.spoolId);
      // Committed meanwhile, by an uploader that did not see the mark.
      if (answer === 'gone') await folders.remove(instance, { segmentId, state: 'spilled' });
      if (answer !== 'released') return false;
      released(lane.number);
      await uploads.add(lane.number, segmentId).catch(() => undefined);
      return true;
    }
    return false;
  }
}
