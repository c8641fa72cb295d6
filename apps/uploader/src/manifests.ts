import { createHash } from 'node:crypto';
import { manifestContent, manifestKey, partitionSpan, UNLISTED_MAX } from '@sink/domain';
import {
  assertReached,
  type DrawnManifest,
  type DurabilityBarrier,
  UploaderLane,
  type LaneManifests,
  type RedisPort,
  rememberLanes,
  UnexpectedAnswer,
} from '@sink/lane';
import type { ObjectStore } from '@sink/objects';
import type { Clock, Logger, Readiness } from '@sink/runtime';
import { crc32 } from 'node:zlib';
import { classify, needsPerson, type UploadFailure } from './failure.ts';
import type { ManifestOutcome, UploaderMetrics } from './metrics.ts';

/** Objects in one manifest, about: with more, it is written before its partition is over, and the rest goes into others. */
const ENTRIES_MAX = 5_000;
/** So many that wait in a lane are too many: manifests were due long before. */
const CROWDED = 0.9 * UNLISTED_MAX;

export interface ManifestPorts {
  /** Not the one of the uploads: waiting for durability holds up everything behind it. */
  readonly redis: RedisPort;
  readonly store: ObjectStore;
  readonly metrics: UploaderMetrics;
  readonly readiness: Readiness;
  readonly log: Logger;
  readonly clock: Clock;
}

export interface ManifestOptions {
  readonly sinkName: string;
  /** Lanes of the configuration; all that the sink ever used are looked at. */
  readonly lanes: number;
  readonly prefix: string;
  readonly durability: DurabilityBarrier;
  readonly uploadTimeoutMs: number;
  readonly everyMs: number;
  /** How long after its end a partition's chunks may still be appended: requests that were held, clocks that differ. */
  readonly graceMs: number;
}

/**
 * Writes manifests: for each partition that is complete, one object that lists its objects. What is listed was decided in
 * Redis before, so any number of uploaders, and whoever comes after one that died, write the same object; clocks only say
 * when. What is committed to a partition after its manifest goes into a further one.
 */
export class Manifests {
  readonly #ports: ManifestPorts;
  readonly #options: ManifestOptions;
  /** Of each lane, as far as was seen: objects that wait. */
  readonly #waiting = new Map<number, number>();
  #problem: string | null = null;

  constructor(ports: ManifestPorts, options: ManifestOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  /** Looks now and again until `stop`. With manifests switched off too: what was put aside for one before is listed. */
  async writeUntil(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      await this.#tryRound(stop);
      await this.#ports.clock.sleep(this.#options.everyMs, stop);
    }
  }

  async #tryRound(stop: AbortSignal): Promise<void> {
    const { log, readiness, metrics } = this.#ports;
    const errors: unknown[] = [];
    await this.#attempt(errors, stop, () => this.#round(errors, stop));
    if (stop.aborted) return;
    metrics.manifests.inc({ result: 'failed' satisfies ManifestOutcome }, errors.length);
    const failures = errors.map(classify);
    const message = failures[0]?.message ?? null;
    if (message === null && this.#problem !== null) log.info('writing manifests works again');
    if (message !== null && message !== this.#problem) {
      log.warn({ err: errors[0], failures: errors.length }, 'writing manifests failed; it is tried again');
    }
    this.#problem = message;
    readiness.set('manifests', this.#whyNotReady(failures));
  }

  /** Does a part of a round; if it fails, the others are done all the same. */
  async #attempt(errors: unknown[], stop: AbortSignal, part: () => Promise<void>): Promise<void> {
    if (stop.aborted) return;
    try {
      await part();
    } catch (error) {
      errors.push(error);
    }
  }

  /** The problem a person has to see to; what passes by itself becomes one only shortly before commits are refused for it. */
  #whyNotReady(failures: readonly UploadFailure[]): string | null {
    const hopeless = failures.find(needsPerson);
    if (hopeless) return `${hopeless.message}. ${hopeless.remedy ?? ''}`;
    const crowded = [...this.#waiting].find(([, objects]) => objects >= CROWDED);
    if (crowded === undefined) return null;
    const [lane, objects] = crowded;
    const why = failures[0] === undefined ? '' : `: ${failures[0].message}`;
    return `${objects} objects of lane ${lane} wait for their manifests, and at ${UNLISTED_MAX} no more are committed${why}`;
  }

  async #round(errors: unknown[], stop: AbortSignal): Promise<void> {
    const { redis } = this.#ports;
    const { sinkName, lanes } = this.#options;
    for (const number of await rememberLanes(redis, sinkName, lanes)) {
      await this.#attempt(errors, stop, () => this.#ofLane(new UploaderLane(redis, sinkName, number), errors, stop));
    }
  }

  async #ofLane(lane: UploaderLane, errors: unknown[], stop: AbortSignal): Promise<void> {
    const { manifests } = lane;
    const waiting = await manifests.waiting();
    let objects = [...waiting.values()].reduce((sum, count) => sum + count, 0);
    this.#setWaiting(lane, objects);
    if (waiting.size === 0) return;
    const completeMs = await this.#completeUntilMs(lane, manifests);
    for (const [partition, count] of [...waiting].sort(([, a], [, b]) => b - a)) {
      const complete = (partitionSpan(partition)?.endMs ?? Infinity) <= completeMs;
      if (!complete && count < ENTRIES_MAX && objects < UNLISTED_MAX / 2) continue;
      await this.#attempt(errors, stop, async () => {
        const drawn = await manifests.draw(partition);
        if (drawn === null) return;
        await this.#write(lane, manifests, drawn, stop);
        objects -= drawn.receipts.length;
      });
    }
    this.#setWaiting(lane, objects);
  }

  #setWaiting(lane: UploaderLane, objects: number): void {
    this.#waiting.set(lane.number, objects);
    this.#ports.metrics.unlisted.set({ lane: String(lane.number) }, objects);
  }

  /**
   * Partitions that end before this are complete, as far as can be seen: no chunk of them is in the stream, and none is
   * spilled. Chunks leave the stream in no order, but whatever was appended before the oldest one that is left is gone.
   */
  async #completeUntilMs(lane: UploaderLane, manifests: LaneManifests): Promise<number> {
    // In this order: what is spilled leaves the stream first.
    const { appendedMs, nowMs } = await manifests.oldestChunk();
    let completeMs = Math.min(appendedMs ?? nowMs, nowMs) - this.#options.graceMs;
    for await (const spilled of lane.spilled()) {
      for (const { partition } of spilled) {
        completeMs = Math.min(completeMs, (partitionSpan(partition)?.endMs ?? Infinity) - 1);
      }
    }
    return completeMs;
  }

  async #write(lane: UploaderLane, manifests: LaneManifests, drawn: DrawnManifest, stop: AbortSignal): Promise<void> {
    const { store, metrics, log } = this.#ports;
    const { durability, prefix, uploadTimeoutMs } = this.#options;
    // As with seals (invariant 4): a decision that Redis could still lose is not made public.
    assertReached(await lane.reachedAfterWrite(durability), 'writing a manifest');
    const laneUid = await lane.uid();
    // Nobody would know a key without it for the sink's.
    if (laneUid === null) throw new UnexpectedAnswer(`writing a manifest: the uid of lane ${lane.number}`, laneUid);
    const { partition, receipts, token } = drawn;
    const body = Buffer.from(manifestContent({ partition, laneUid }, receipts));
    const contentHash = createHash('sha256').update(body).digest('hex');
    const key = manifestKey(prefix, { partition, laneUid }, contentHash);
    const object = { key, body, objectBytes: body.length, crc32: crc32(body), contentType: 'application/json' };
    const put = store.put(
      { ...object, contentHash, segmentId: token },
      AbortSignal.any([stop, AbortSignal.timeout(uploadTimeoutMs)]),
    );
    const { existed } = await put; // rule: manifest.stored-first
    // Only now: it stands in the bucket. Who dies before this leaves it to another one, who puts the same.
    await manifests.listed(drawn);
    metrics.manifests.inc({ result: (existed ? 'existed' : 'stored') satisfies ManifestOutcome });
    log.info({ key, objects: receipts.length, existed }, 'manifest stored');
  }
}
