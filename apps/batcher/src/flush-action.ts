import { formatDuration, parseDurationMs } from '@sink/config';
import { flush, type FlushAnswer, missingText, rememberLanes, type RedisPort } from '@sink/lane';
import type { Clock, OpsActions } from '@sink/runtime';
import { randomUUID } from 'node:crypto';

const TIMEOUT_MS_DEFAULT = 120_000;
const TIMEOUT_MS_MAX = 3_600_000;

type Action = OpsActions extends Map<string, infer Of> ? Of : never;
type Answer = Awaited<ReturnType<Action>>;

/** `POST /flush[?partition=PATH][&timeout=60s][&wait=false]`: what was accepted before is in the bucket with the answer. */
export function flushAction(ports: {
  readonly redis: RedisPort;
  readonly sinkName: string;
  readonly lanes: number;
  readonly clock: Clock;
  /** The service stops. */
  readonly signal: AbortSignal;
}): Action {
  return async (query, gone) => {
    const asked = parsed(query);
    if (typeof asked === 'string') return { status: 400, body: { error: asked } };
    const { redis, sinkName, clock } = ports;
    const signal = AbortSignal.any([ports.signal, gone]);
    const lanes = await rememberLanes(redis, sinkName, ports.lanes);
    return answered(await flush({ redis, sinkName, lanes, id: randomUUID(), clock, signal }, asked), asked.timeoutMs);
  };
}

/** A sentence for a mistake. */
function parsed(query: URLSearchParams): { path: string | null; waits: boolean; timeoutMs: number } | string {
  const unknown = [...query.keys()].find((name) => !['partition', 'timeout', 'wait'].includes(name));
  if (unknown !== undefined) return `${unknown} is unknown: known are partition, timeout and wait`;
  const timeout = query.get('timeout');
  const timeoutMs = timeout === null ? TIMEOUT_MS_DEFAULT : parseDurationMs(timeout);
  if (timeoutMs === undefined || timeoutMs <= 0 || timeoutMs > TIMEOUT_MS_MAX)
    return `timeout=${timeout ?? ''}: seconds, or a duration such as 90s or 5m, up to 1h`;
  const wait = query.get('wait') ?? 'true';
  if (wait !== 'true' && wait !== 'false') return `wait=${wait}: true or false`;
  return { path: query.get('partition'), waits: wait === 'true', timeoutMs };
}

function answered(answer: FlushAnswer, timeoutMs: number): Answer {
  switch (answer.kind) {
    case 'flushed':
      return { status: 200, body: { flushed: true } };
    case 'noted':
      return { status: 202, body: { flushed: false, noted: true } };
    case 'busy': {
      const until = new Date(answer.other.untilMs).toISOString();
      return {
        status: 409,
        body: { flushed: false, error: `another flush is under way, until ${until} at the latest; wait for it` },
      };
    }
    case 'stopped':
      return { status: 503, body: { flushed: false, error: 'this batcher stops; ask another one' } };
    case 'late': {
      const error = `not everything is in the bucket after ${formatDuration(timeoutMs)}: ${missingText(answer).join('; ')}`;
      return { status: 504, body: { flushed: false, error, missing: answer.missing } };
    }
  }
}
