import { DEFAULT_ROUTE } from '@sink/domain';
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

/** What a request has for one destination. */
export interface Part {
  readonly route: string;
  /** Null: the slot of the time of acceptance, in UTC. */
  readonly path: string | null;
  /** One event each: compact JSON, without LF. */
  readonly lines: readonly string[];
  /** With `dedupe_window`, events that were stored before are left out. Otherwise each line is stored, whatever it is. */
  readonly dedupe: boolean;
}

/** Events that go the default way. */
export function plainPart(lines: readonly string[]): Part {
  return { route: DEFAULT_ROUTE, path: null, lines, dedupe: true };
}

/** Stores the events of requests. The HTTP side submits to one appender: a lane's GroupCommit, or one of the two below. */
export interface EventAppender {
  /**
   * Stores all parts of a request, or none unless it is larger than one append, and calls `settle` exactly once. While Redis
   * is away or full the appender holds them, up to `holdMaxMs`, and then settles with the reason. Never throws.
   *
   * @param heldMs how long the request has waited already, in milliseconds: that is part of its `holdMaxMs`
   * @param isGone asked just before the parts are sent: those of a client that has left are not stored
   * @param span of the request, if it is sampled
   */
  submit(parts: readonly Part[], settle: Settle, heldMs: number, isGone?: IsGone, span?: SpanIdentity | null): void;
}

/** Gives submissions to the lanes in turn. A request stays whole, so its events are accepted or refused together. */
export class RoundRobinAppender implements EventAppender {
  readonly #lanes: readonly EventAppender[];
  #next = 0;

  constructor(lanes: readonly EventAppender[]) {
    this.#lanes = lanes;
  }

  submit(parts: readonly Part[], settle: Settle, heldMs: number, isGone?: IsGone, span?: SpanIdentity | null): void {
    this.#next = (this.#next + 1) % this.#lanes.length;
    const lane = this.#lanes[this.#next];
    if (!lane) throw new Error('submitting events: there is no lane');
    lane.submit(parts, settle, heldMs, isGone, span); // next: group-commit.ts
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

  submit(parts: readonly Part[], settle: Settle, heldMs: number, isGone?: IsGone, span?: SpanIdentity | null): void {
    const shares = new Map<EventAppender, string[]>();
    for (const line of linesOfPlain(parts)) {
      const lane = this.#lanes[this.#fingerprint(line).readUInt32BE(0) % this.#lanes.length];
      if (!lane) throw new Error('submitting events: there is no lane');
      const share = shares.get(lane);
      if (share) share.push(line);
      else shares.set(lane, [line]);
    }
    const settleShare = settleTogether(shares.size, settle);
    for (const [lane, share] of shares) lane.submit([plainPart(share)], settleShare, heldMs, isGone, span); // next: group-commit.ts
  }
}

/** The lines of parts that go the default way. @throws for others, which no release stores yet */
export function linesOfPlain(parts: readonly Part[]): readonly string[] {
  for (const { route, path, dedupe } of parts)
    if (route !== DEFAULT_ROUTE || path !== null || !dedupe) throw new Error(`submitting events: the route ${route}`);
  const [only] = parts;
  return parts.length === 1 && only ? only.lines : parts.flatMap(({ lines }) => lines);
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
