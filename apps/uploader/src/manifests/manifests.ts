import { createHash } from 'node:crypto';
import { manifestContent, manifestKey, UNLISTED_MAX } from '@sink/domain';
import { assertReached, type DrawnManifest, UploaderLane, rememberLanes, UnexpectedAnswer } from '@sink/lane';
import { FailureReporter } from '@sink/runtime';
import { crc32 } from 'node:zlib';
import type { UploaderPorts } from '../compose.ts';
import type { ManifestOutcome } from '../metrics.ts';
import type { Stores } from '../upload/stores.ts';
import type { UploaderSettings } from '../settings.ts';
import { classify, needsOperator, type UploadFailure } from '../upload/failure.ts';
import { problemOf } from '../upload/upload-health.ts';
import { Completeness } from './completeness.ts';

/** About how many objects one manifest lists: with more, it is written before its partition ends, and others list the rest. */
const ENTRIES_MAX = 5_000;
/** Waiting objects of a lane from which on operators are warned: their manifests were due long before. */
const CROWDED = 0.9 * UNLISTED_MAX;

export interface ManifestPorts extends Pick<
  UploaderPorts,
  'sweepRedis' | 'metrics' | 'readiness' | 'log' | 'clock' | 'timeout'
> {
  readonly stores: Pick<Stores, 'ofDestination'>;
}

/** Of the settings, those of manifests. */
export type ManifestSettings = Pick<
  UploaderSettings,
  | 'sinkName'
  | 'lanes'
  | 'routes'
  | 'barrier'
  | 'uploadTimeoutMs'
  | 'sweepEveryMs'
  | 'manifestGraceMs'
  | 'manifestAfterMs'
>;

/**
 * Writes manifests: for each destination that is complete, one object that lists its objects. Redis decides what a manifest
 * lists before it is written, so every uploader writes the same object, also after another one was killed; clocks decide only
 * when. A further manifest lists what is committed to a destination after its manifest.
 */
export class Manifests {
  readonly #ports: ManifestPorts;
  readonly #settings: ManifestSettings;
  readonly #failures: FailureReporter;
  readonly #completeness: Completeness;
  /** By lane: objects that waited for their manifest in the last round. */
  readonly #waiting = new Map<number, number>();

  constructor(ports: ManifestPorts, settings: ManifestSettings) {
    this.#ports = ports;
    this.#settings = settings;
    this.#completeness = new Completeness(settings);
    this.#failures = new FailureReporter(
      { log: ports.log, clock: ports.clock },
      {
        name: 'manifests',
        failing: 'writing manifests fails; the uploader retries it',
        working: 'writing manifests works again',
      },
    );
  }

  /** Writes what is due again and again until `stop`: also while manifests are off, for what was put aside before. */
  async writeUntil(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      await this.#tryRound(stop);
      await this.#ports.clock.sleep(this.#settings.sweepEveryMs, stop);
    }
  }

  async #tryRound(stop: AbortSignal): Promise<void> {
    const { readiness, metrics } = this.#ports;
    const errors: unknown[] = [];
    await this.#attempt(errors, stop, () => this.#round(errors, stop));
    if (stop.aborted) return;
    metrics.manifests.inc({ result: 'failed' satisfies ManifestOutcome }, errors.length);
    const failures = errors.map(classify);
    if (failures[0] === undefined) this.#failures.succeeded();
    else this.#failures.failed({ err: errors[0], failures: errors.length }, { kind: failures[0].code });
    readiness.set('manifests', this.#whyNotReady(failures));
  }

  /** Does a part of a round; if it fails, the other parts still run. */
  async #attempt(errors: unknown[], stop: AbortSignal, part: () => Promise<void>): Promise<void> {
    if (stop.aborted) return;
    try {
      await part();
    } catch (error) {
      errors.push(error);
    }
  }

  /** What an operator has to solve. A passing failure is reported only shortly before commits are refused because of it. */
  #whyNotReady(failures: readonly UploadFailure[]): string | null {
    const lasting = failures.find(needsOperator);
    if (lasting) return problemOf(lasting);
    const crowded = [...this.#waiting].find(([, objects]) => objects >= CROWDED);
    if (crowded === undefined) return null;
    const [lane, objects] = crowded;
    const why = failures[0] === undefined ? '' : `: ${failures[0].message}`;
    return `${objects} objects of lane ${lane} wait for their manifests, and at ${UNLISTED_MAX} commits are refused${why}`;
  }

  async #round(errors: unknown[], stop: AbortSignal): Promise<void> {
    const { sweepRedis } = this.#ports;
    const { sinkName, lanes } = this.#settings;
    for (const number of await rememberLanes(sweepRedis, sinkName, lanes)) {
      await this.#attempt(errors, stop, () =>
        this.#ofLane(new UploaderLane(sweepRedis, sinkName, number), errors, stop),
      );
    }
  }

  async #ofLane(lane: UploaderLane, errors: unknown[], stop: AbortSignal): Promise<void> {
    const waiting = await lane.unlisted();
    let objects = waiting.reduce((sum, { objects: count }) => sum + count, 0);
    this.#setWaiting(lane, objects);
    if (waiting.length === 0) return;
    const complete = await this.#completeness.of(lane, waiting);
    for (const one of waiting.toSorted((a, b) => b.objects - a.objects)) {
      const { destination, objects: count } = one;
      // A newer release, or the configuration that knew this route, writes its manifests.
      if (!this.#settings.routes.has(destination.route)) continue;
      if (!complete.has(one) && count < ENTRIES_MAX && objects < UNLISTED_MAX / 2) continue;
      await this.#attempt(errors, stop, async () => {
        const drawn = await lane.drawManifest(destination);
        if (drawn === null) return;
        await this.#write(lane, drawn, stop);
        objects -= drawn.receipts.length;
      });
    }
    this.#setWaiting(lane, objects);
  }

  #setWaiting(lane: UploaderLane, objects: number): void {
    this.#waiting.set(lane.number, objects);
    this.#ports.metrics.unlisted.set({ lane: String(lane.number) }, objects);
  }

  async #write(lane: UploaderLane, drawn: DrawnManifest, stop: AbortSignal): Promise<void> {
    const { stores, metrics, log, timeout, clock } = this.#ports;
    const { barrier, routes, uploadTimeoutMs } = this.#settings;
    // As with seals (invariant 4): a decision that Redis could still lose is not written to the bucket.
    assertReached(await lane.reachedAfterWrite(barrier), 'writing a manifest'); // rule: manifest.barrier
    // A failover before the barrier may have lost the decision, and the barrier does not show that.
    if (!(await lane.isDrawn(drawn))) return; // rule: manifest.still-drawn
    const laneUid = await lane.uid();
    // A key without the uid could be another sink's.
    if (laneUid === null) throw new UnexpectedAnswer(`writing a manifest: the uid of lane ${lane.number}`, laneUid);
    const { destination, receipts, token } = drawn;
    const body = Buffer.from(manifestContent({ ...destination, laneUid }, receipts));
    const contentHash = createHash('sha256').update(body).digest('hex');
    const rules = routes.get(destination.route);
    const { route } = destination;
    const place = rules && stores.ofDestination({ bucket: rules.bucket, route });
    if (!rules || !place) throw new Error(`writing a manifest: there is no bucket of the route ${route}`);
    const { prefix, tags, metadata, lockForMs } = rules;
    const key = manifestKey(prefix, { ...destination, laneUid }, contentHash);
    const object = { key, body, objectBytes: body.length, crc32: crc32(body), contentType: 'application/json' };
    const lock = lockForMs === undefined ? {} : { lockUntilMs: clock.wallMs() + lockForMs };
    const put = place.store.put(
      { ...object, contentHash, segmentId: token, tags, metadata, ...lock },
      AbortSignal.any([stop, timeout(uploadTimeoutMs)]),
    );
    const { existed } = await put; // rule: manifest.stored-first
    // Only now: the manifest is in the bucket. If the uploader ends before this line, another one puts the same manifest.
    await lane.manifestListed(drawn);
    metrics.manifests.inc({ result: (existed ? 'existed' : 'stored') satisfies ManifestOutcome });
    log.info({ key, objects: receipts.length, existed }, 'manifest stored');
  }
}
