import { isRetryable } from '@sink/domain';
import type { RedisPort } from '@sink/lane';
import { Readiness, Registry } from '@sink/runtime';
import { SpoolError } from '@sink/spool';
import { type ComposedUploader, composeUploader, UploaderMetrics, type UploaderPorts } from '@sink/uploader';
import { clockOf, diskOf, guarded, LEASE_MS, redisOf, type WorldParts } from './actors.ts';
import { ROUTES } from './batcher-actor.ts';
import type { Actor } from './scheduler.ts';

/** Nothing reads them. */
const METRICS = new UploaderMetrics(new Registry());
/** Failures that must not happen: the content of a segment is missing, or is not what was sealed. */
const BROKEN: readonly unknown[] = ['content_missing', 'content_differs', 'spilled_missing'];
/** The answer of `oldestChunk`: the stream is empty, and every partition has ended. */
const ALL_COMPLETE = [String(Number.MAX_SAFE_INTEGER), ''];
/** The wait of a worker between two jobs. */
const WORK_EVERY_MS = 10;

/** The shipped uploader, with a worker that takes one job after the other. */
export function startUploader(parts: WorldParts, actor: Actor): Promise<void> {
  const never = new AbortController().signal;
  return guarded(parts, actor, async () => {
    const uploader = composeUploader(portsOf(parts, actor), {
      sinkName: parts.sinkName,
      lanes: 1,
      bucket: 'bucket',
      routes: ROUTES,
      place: 'bucket',
      barrier: parts.barrier,
      receiptsMax: 1_000,
      manifests: parts.manifests,
      concurrency: 1,
      uploadTimeoutMs: 1_000,
      scheduledIntervalMs: 150,
      retry: { baseMs: 0, capMs: 0, slowMs: 0 },
      breaker: { failuresMin: 5, baseMs: 50, capMs: 200 },
      trial: null,
      sweepEveryMs: 700,
      sweepAgainMs: 300,
      spoolLeaseMs: LEASE_MS,
      tidyEveryMs: Number.POSITIVE_INFINITY,
      tidyAgeMs: Number.POSITIVE_INFINITY,
      drainLookMs: 20,
      drainSweepMs: 100,
      manifestGraceMs: 0,
      manifestAfterMs: 0,
    });
    await Promise.all([uploader.runUntil(never), work(uploader, parts, actor, never)]);
  });
}

async function work(uploader: ComposedUploader, parts: WorldParts, actor: Actor, never: AbortSignal): Promise<void> {
  const { scheduler, random } = parts;
  const disk = diskOf(parts, actor);
  const ordinary = { jobs: parts.jobs, upload: uploader.upload };
  const spilled = { jobs: disk.spilledJobs, upload: uploader.uploadSpilled };
  for (;;) {
    await scheduler.sleep(actor, WORK_EVERY_MS);
    const { jobs, upload } = random.chance(0.5) ? ordinary : spilled;
    const id = jobs.take(actor, scheduler.nowMs, (ids) => random.pick(ids));
    if (id === undefined) continue;
    const failovers = parts.failovers();
    try {
      await upload(0, id, never);
      await scheduler.local(actor, 'complete job', () => jobs.done(actor, id));
    } catch (error) {
      scheduler.note(`${actor.name} failed ${id}: ${String(error)}`);
      if (!isRetryable(error) && !(error instanceof SpoolError)) throw error;
      // An uploader that reads in part before and in part after a failover may see a state that never existed.
      const consistent = parts.failovers() === failovers;
      if (consistent && BROKEN.includes(Reflect.get(Object(error), 'code'))) parts.crash(actor, error);
      await scheduler.local(actor, 'fail job', () => jobs.fail(actor, id));
    }
  }
}

function portsOf(parts: WorldParts, actor: Actor): UploaderPorts {
  const { scheduler, random } = parts;
  const disk = diskOf(parts, actor);
  const note = (fields: object, message = ''): void => {
    // Without the fields: keys contain hashes over times of Redis, which differ from run to run.
    scheduler.note(`${actor.name}: ${message}`);
    const error: unknown = Reflect.get(fields, 'err');
    // A failure that is not retryable is a broken invariant, also where the uploader only reports it.
    if (error !== undefined && !isRetryable(error)) parts.crash(actor, error);
  };
  return {
    redis: redisOf(parts, actor),
    sweepRedis: hasty(redisOf(parts, actor)),
    jobs: parts.jobs.port(scheduler, actor),
    spilled: { spoolId: disk.spoolId, jobs: disk.spilledJobs.port(scheduler, actor) },
    // One PUT of a manifest in four fails, so that other uploaders often find a manifest that is drawn up already.
    store: parts.bucket.store(scheduler, actor, (isManifest) => (isManifest ? random.next() / 3 : random.next())),
    spool: disk.spool(scheduler, actor, () => parts.newId('file')),
    builder: {
      build: async (_record, content) => {
        const body = Buffer.concat(await Array.fromAsync(content));
        return { body, objectBytes: body.length, crc32: 0 };
      },
      tidy: async () => 0,
    },
    metrics: METRICS,
    readiness: new ManifestsReady((problem) => parts.crash(actor, new Error(problem))),
    log: { debug: note, info: note, warn: note, error: note },
    clock: clockOf(parts, actor),
    random: () => random.next(),
    timeout: () => new AbortController().signal,
  };
}

/** Clocks decide when a partition is complete, and no rule may depend on that: here it is always complete. */
function hasty(redis: RedisPort): RedisPort {
  return {
    ...redis,
    run: async (script, keys, args) => {
      const answer = await redis.run(script, keys, args);
      return script.name === 'oldestChunk' ? ALL_COMPLETE : answer;
    },
  };
}

/** Manifests that wait for an operator are a broken invariant here. */
class ManifestsReady extends Readiness {
  readonly #broken: (problem: string) => void;

  constructor(broken: (problem: string) => void) {
    super();
    this.#broken = broken;
  }

  override set(name: string, problem: string | null): void {
    if (name === 'manifests' && problem !== null) this.#broken(problem);
  }
}
