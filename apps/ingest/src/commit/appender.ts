/**
 * How storing the events of one request ended.
 *
 * - `stored`: durable as the configuration asks for; the only outcome that may be answered with a 2xx.
 * - `backlog_full`: what waits in Redis has reached its limit; nothing was stored.
 * - `redis_away`: Redis could not be reached in time; nothing was stored.
 * - `in_doubt`: some or all of it may have been stored; the producer has to send it again.
 * - `stopping`: this process is going away; nothing was stored.
 */
export type AppendOutcome = 'stored' | 'backlog_full' | 'redis_away' | 'in_doubt' | 'stopping';

/** Where the HTTP side hands its events to. */
export interface EventAppender {
  /**
   * Stores the lines (one CloudEvent each, compact JSON without LF) and calls `settled` exactly once. Holds them while
   * Redis is away or full, up to `holdMaxMs`, and then settles with the reason. Never throws.
   *
   * @param heldMs how long the request was held before, in milliseconds: that is part of its `holdMaxMs`
   */
  submit(lines: readonly string[], settled: (outcome: AppendOutcome) => void, heldMs: number): void;
}
