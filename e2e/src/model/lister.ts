import { createLogger, Readiness, Registry } from '@sink/runtime';
import type { RedisPort } from '@sink/lane';
import { Manifests, UploaderMetrics } from '@sink/uploader';
import { clockOf, DURABILITY, guarded, type WorldParts } from './actors.ts';
import { scheduledRedis } from './ports.ts';
import type { Actor } from './scheduler.ts';

/** Nobody reads them. */
const METRICS = new UploaderMetrics(new Registry());
const LOG = createLogger({ service: 'model', level: 'silent' });
/** The answer of `oldestChunk`: the stream is empty, and every partition over. */
const ALL_COMPLETE = [String(Number.MAX_SAFE_INTEGER), ''];

/** Writes manifests with the shipped class, as each uploader does. */
export function startLister(parts: WorldParts, actor: Actor): Promise<void> {
  const { scheduler, random, sinkName } = parts;
  const manifests = new Manifests(
    {
      redis: hasty(scheduledRedis(scheduler, actor, parts.redis)),
      // One PUT in four fails, so that who comes after often finds a manifest drawn up.
      store: parts.bucket.store(scheduler, actor, () => random.next() / 3),
      readiness: new NeverUnready((problem) => parts.crash(actor, new Error(problem))),
      ...{ metrics: METRICS, log: LOG, clock: clockOf(parts, actor) },
    },
    {
      ...{ sinkName, lanes: 1, prefix: '', durability: DURABILITY, everyMs: 150, graceMs: 0 },
      // Of real time, in which no world is.
      uploadTimeoutMs: 3_600_000,
    },
  );
  return guarded(parts, actor, () => manifests.writeUntil(new AbortController().signal));
}

/** When a partition is complete is a clock's matter and no rule may rest on it: here it is whenever somebody looks. */
function hasty(redis: RedisPort): RedisPort {
  return {
    ...redis,
    run: async (script, keys, args) => {
      const answer = await redis.run(script, keys, args);
      return script.name === 'oldestChunk' ? ALL_COMPLETE : answer;
    },
  };
}

/** What waits for a person is a broken invariant here. */
class NeverUnready extends Readiness {
  readonly #broken: (problem: string) => void;

  constructor(broken: (problem: string) => void) {
    super();
    this.#broken = broken;
  }

  override set(_name: string, problem: string | null): void {
    if (problem !== null) this.#broken(problem);
  }
}
