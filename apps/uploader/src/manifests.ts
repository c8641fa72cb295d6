import { createHash } from 'node:crypto';
import { manifestContent, manifestKey, partitionSpan } from '@sink/domain';
import {
  type DrawnManifest,
  type Durability,
  Lane,
  LaneManifests,
  RedisRefused,
  type RedisPort,
  rememberLanes,
  UNLISTED_MAX,
} from '@sink/lane';
import type { ObjectStore } from '@sink/objects';
import type { Clock, Logger, Readiness } from '@sink/runtime';
import { crc32 } from 'node:zlib';
import type { UploaderMetrics } from './metrics.ts';

/** Objects in one manifest, about: with more, it is written before its partition is over, and the rest goes into others. */
const ENTRIES_MAX = 5_000;

export interface ManifestPorts {
  /** Not the one of the uploads: waiting for durability holds up everything behind it. */
  readonly redis: RedisPort;
  readonly store: ObjectStore;
  readonly metrics: UploaderMetrics;
  readonly readiness: Readiness;
  readonly log: Logger;
  readonly clock: Clock;
  readonly newToken: () => string;
}

export interface ManifestOptions {
  readonly sinkName: string;
  /** Lanes of the configuration; all that the sink ever used are looked at. */
  readonly lanes: number;
  readonly prefix: string;
  readonly durability: Durability;
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
    try {
      await this.#round(stop);
      if (this.#problem !== null) log.info('writing manifests works again');
      this.#problem = null;
    } catch (error) {
      if (stop.aborted) return;
      metrics.manifests.inc({ result: 'failed' });
      const problem = error instanceof Error ? error.message : String(error);
      if (problem !== this.#problem) log.warn({ err: error }, 'writing manifests failed; it is tried again');
      this.#problem = problem;
    }
    readiness.set('manifests', this.#problem);
  }

  async #round(stop: AbortSignal): Promise<void> {
    const { redis } = this.#ports;
    const { sinkName, lanes } = this.#options;
    for (const number of await rememberLanes(redis, sinkName, lanes)) {
      const lane = new Lane(redis, sinkName, number);
      const manifests = new LaneManifests(redis, lane.keys);
      await this.#ofLane(lane, manifests, stop);
      const waiting = [...(await manifests.waiting()).values()].reduce((sum, count) => sum + count, 0);
      this.#ports.metrics.unlisted.set({ lane: String(number) }, waiting);
    }
  }

  async #ofLane(lane: Lane, manifests: LaneManifests, stop: AbortSignal): Promise<void> {
    const waiting = await manifests.waiting();
    if (waiting.size === 0) return;
    const completeMs = await this.#completeUntilMs(lane, manifests);
    let objects = [...waiting.values()].reduce((sum, count) => sum + count, 0);
    for (const [partition, count] of [...waiting].sort(([, a], [, b]) => b - a)) {
      const complete = (partitionSpan(partition)?.endMs ?? Infinity) <= completeMs;
      if (!complete && count < ENTRIES_MAX && objects < UNLISTED_MAX / 2) continue;
      const drawn = await manifests.draw(partition, this.#ports.newToken());
      if (drawn === null) continue;
      await this.#write(lane, manifests, drawn, stop);
      objects -= drawn.receipts.length;
    }
  }

  /**
   * Partitions that end before this are complete, as far as can be seen: no chunk of them is in the stream, and none is
   * spilled. Chunks leave the stream in no order, but whatever was appended before the oldest one that is left is gone.
   */
  async #completeUntilMs(lane: Lane, manifests: LaneManifests): Promise<number> {
    // In this order: what is spilled leaves the stream first.
    const { appendedMs, nowMs } = await manifests.oldestChunk();
    let completeMs = Math.min(appendedMs ?? nowMs, nowMs) - this.#options.graceMs;
    let cursor = '0';
    do {
      const page = await lane.spilledPage(cursor);
      for (const { partition } of page.spilled) {
        completeMs = Math.min(completeMs, (partitionSpan(partition)?.endMs ?? Infinity) - 1);
      }
      cursor = page.cursor;
    } while (cursor !== '0');
    return completeMs;
  }

  async #write(lane: Lane, manifests: LaneManifests, drawn: DrawnManifest, stop: AbortSignal): Promise<void> {
    const { store, metrics, log } = this.#ports;
    const { durability, prefix, uploadTimeoutMs } = this.#options;
    // As with seals (invariant 4): a decision that Redis could still lose is not made public.
    if (!(await lane.reachedAfterWrite(durability))) {
      throw new RedisRefused('writing a manifest', 'NOTDURABLE the durability asked for was not reached in time');
    }
    const laneUid = (await lane.uid()) ?? '';
    const { partition, receipts, token } = drawn;
    const body = Buffer.from(manifestContent({ partition, laneUid }, receipts));
    const contentHash = createHash('sha256').update(body).digest('hex');
    const key = manifestKey(prefix, { partition, laneUid }, contentHash);
    const object = { key, body, objectBytes: body.length, crc32: crc32(body), contentType: 'application/json' };
    const { existed } = await store.put(
      { ...object, contentHash, segmentId: token },
      AbortSignal.any([stop, AbortSignal.timeout(uploadTimeoutMs)]),
    );
    // Only now: it stands in the bucket. Who dies before this leaves it to another one, who puts the same.
    await manifests.listed(drawn);
    metrics.manifests.inc({ result: existed ? 'existed' : 'stored' });
    log.info({ key, objects: receipts.length, existed }, 'manifest stored');
  }
}
