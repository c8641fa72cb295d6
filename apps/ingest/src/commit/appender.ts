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

const NO_PARTS: readonly Part[] = [];

/** None for no events. */
export function plainParts(lines: readonly string[]): readonly Part[] {
  return lines.length === 0 ? NO_PARTS : [plainPart(lines)];
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
 * Chooses the lane of each event that is looked up by its fingerprint, so that all replicas look for its first copy in the
 * same lane. A request whose events go to several lanes is stored when all its shares are. If only some shares were refused
 * the request is in doubt; the producer's retry is harmless, because the lanes recognise the stored events by then.
 *
 * Lines that are not looked up would be stored again by that retry. So all of them go together, to the lane of the request's
 * last event, and that share is submitted only when all others are stored.
 */
export class FingerprintAppender implements EventAppender {
  readonly #lanes: readonly EventAppender[];
  readonly #fingerprint: (line: string) => Buffer;
  readonly #monotonicMs: () => number;
  #next = 0;

  constructor(lanes: readonly EventAppender[], fingerprint: (line: string) => Buffer, monotonicMs: () => number) {
    this.#lanes = lanes;
    this.#fingerprint = fingerprint;
    this.#monotonicMs = monotonicMs;
  }

  submit(parts: readonly Part[], settle: Settle, heldMs: number, isGone?: IsGone, span?: SpanIdentity | null): void {
    const { last, others } = this.#shares(parts);
    const isEachAsked = parts.every(({ dedupe }) => dedupe);
    if (isEachAsked || others.length === 0) {
      const settleShare = settleTogether(others.length + 1, settle);
      for (const [lane, share] of [...others, last]) lane.submit(share, settleShare, heldMs, isGone, span); // next: group-commit.ts
      return;
    }
    const startMs = this.#monotonicMs();
    const settleOthers = settleTogether(others.length, (outcome) => {
      if (outcome !== 'stored') return settle(outcome); // rule: request.asked-first
      const settleLast: Settle = (ended) => settle(ended === 'stored' ? 'stored' : 'in_doubt');
      const [lane, share] = last;
      lane.submit(share, settleLast, heldMs + this.#monotonicMs() - startMs, isGone, span);
    });
    for (const [lane, share] of others) lane.submit(share, settleOthers, heldMs, isGone, span);
  }

  /** What each lane gets; the last share has all lines that are not looked up. */
  #shares(parts: readonly Part[]): { readonly last: Share; readonly others: readonly Share[] } {
    const shares = new Map<EventAppender, Part[]>();
    let last = this.#lane(0);
    for (const part of parts.filter(({ dedupe }) => dedupe)) {
      const lines = new Map<EventAppender, string[]>();
      for (const line of part.lines) {
        last = this.#lane(this.#fingerprint(line).readUInt32BE(0));
        const inLane = lines.get(last);
        if (inLane) inLane.push(line);
        else lines.set(last, [line]);
      }
      for (const [lane, inLane] of lines) {
        const share = shares.get(lane);
        const own = { ...part, lines: inLane };
        if (share) share.push(own);
        else shares.set(lane, [own]);
      }
    }
    if (shares.size === 0) last = this.#lane(this.#next++);
    const ofLast = [...(shares.get(last) ?? []), ...parts.filter(({ dedupe }) => !dedupe)];
    shares.delete(last);
    return { last: [last, ofLast], others: [...shares] };
  }

  #lane(number: number): EventAppender {
    const lane = this.#lanes[number % this.#lanes.length];
    if (!lane) throw new Error('submitting events: there is no lane');
    return lane;
  }
}

/** What one lane gets of a request. */
type Share = readonly [lane: EventAppender, parts: readonly Part[]];

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
