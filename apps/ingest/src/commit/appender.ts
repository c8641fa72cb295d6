import type { SpanIdentity } from '@sink/tracing';

/**
 * How storing the events of one request ended.
 *
 * - `stored`: durable as the configuration asks for; the only outcome that may be answered with a 2xx.
 * - `backlog_full`: the backlog in Redis has reached its limit; nothing was stored.
 * - `redis_away`: Redis could not be reached in time; nothing was stored.
 * - `in_doubt`: some or all of it may have been stored; the producer has to send it again.
 * - `overloaded`: there was no time for it, though Redis answers; nothing was stored.
 * - `stopping`: this process is stopping; nothing was stored.
 * - `gone`: its client has left before it was sent to Redis; nothing was stored.
 */
export type AppendOutcome = 'stored' | 'backlog_full' | 'redis_away' | 'in_doubt' | 'overloaded' | 'stopping' | 'gone';

/** Receives once how a submission, or its part in one chunk, ended. */
export type Settle = (outcome: AppendOutcome) => void;

/** Whether nobody waits for a submission any more. */
export type IsGone = () => boolean;

export const neverGone: IsGone = () => false;

/** Stores the events of requests. The HTTP side submits to one appender: a lane's GroupCommit, or one of the two below. */
export interface EventAppender {
  /**
   * Stores the lines (one CloudEvent each, compact JSON without LF) and calls `settle` exactly once. While Redis is away or
   * full the appender holds them, up to `holdMaxMs`, and then settles with the reason. Never throws.
   *
   * @param heldMs how long the request has waited already, in milliseconds: that is part of its `holdMaxMs`
   * @param isGone asked just before the lines are sent: those of a client that has left are not stored
   * @param span of the request, if it is sampled
   */
  submit(lines: readonly string[], settle: Settle, heldMs: number, isGone?: IsGone, span?: SpanIdentity | null): void;
}

/** Gives submissions to the lanes in turn. A request stays whole, so its events are accepted or refused together. */
export class RoundRobinAppender implements EventAppender {
  readonly #lanes: readonly EventAppender[];
  #next = 0;

  constructor(lanes: readonly EventAppender[]) {
    this.#lanes = lanes;
  }

  submit(lines: readonly string[], settle: Settle, heldMs: number, isGone?: IsGone, span?: SpanIdentity | null): void {
    this.#next = (this.#next + 1) % this.#lanes.length;
    const lane = this.#lanes[this.#next];
    if (!lane) throw new Error('submitting events: there is no lane');
    lane.submit(lines, settle, heldMs, isGone, span); // next: group-commit.ts
  }
}

/**
 * Chooses each event's lane by its fingerprint, so that all replicas look for its first copy in the same lane. A request
 * whose events go to several lanes is stored when all its parts are. If only some parts were refused the request is in
 * doubt; the producer's retry is harmless, because the lanes recognise the stored events by then.
 */
export class FingerprintAppender implements EventAppender {
  readonly #lanes: readonly EventAppender[];
  readonly #fingerprint: (line: string) => Buffer;

  constructor(lanes: readonly EventAppender[], fingerprint: (line: string) => Buffer) {
    this.#lanes = lanes;
    this.#fingerprint = fingerprint;
  }

  submit(lines: readonly string[], settle: Settle, heldMs: number, isGone?: IsGone, span?: SpanIdentity | null): void {
    const parts = new Map<EventAppender, string[]>();
    for (const line of lines) {
      const lane = this.#lanes[this.#fingerprint(line).readUInt32BE(0) % this.#lanes.length];
      if (!lane) throw new Error('submitting events: there is no lane');
      const part = parts.get(lane);
      if (part) part.push(line);
      else parts.set(lane, [line]);
    }
    const settlePart = settleTogether(parts.size, settle);
    for (const [lane, part] of parts) lane.submit(part, settlePart, heldMs, isGone, span); // next: group-commit.ts
  }
}

/**
 * A settle function for a submission that spans `parts` chunks: the submission is stored when all its chunks are. If only
 * some were refused it is in doubt, because the others are stored. It settles with its last chunk, so that no part of it is
 * on its way any more when the request is answered.
 */
export function settleTogether(parts: number, settle: Settle): Settle {
  let open = parts;
  let stored = 0;
  let refusal: AppendOutcome | null = null;
  return (outcome) => {
    open -= 1;
    if (outcome === 'stored') stored += 1;
    else if (refusal === null || outcome === 'in_doubt') refusal = outcome;
    if (open > 0) return;
    if (refusal === null) settle('stored');
    else settle(stored > 0 ? 'in_doubt' : refusal);
  };
}
