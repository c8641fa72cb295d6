import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { CHUNK_BYTES_MAX, CHUNK_EVENTS_MAX, type Evidence } from '@sink/domain';
import { linesOf } from './corrected.ts';
import {
  appendPart,
  droppedBy,
  partitionsOf,
  byFingerprintOver,
  lanesOf,
  registerParts,
  type RetryAppended,
  type RetryAppendPorts,
} from './retry-append.ts';
import type { BegunMarker, RetryMarkers } from './retry-markers.ts';

export interface RetryPorts extends RetryAppendPorts {
  readonly markers: RetryMarkers;
  /** Why lines are invalid by the rules that ingest has beside those of CloudEvents; null: they are valid. */
  readonly validate: (lines: readonly string[]) => Promise<string | null>;
}

export interface RetryAsked {
  /** The corrected event; null: the refused one as it was sent. */
  readonly corrected: Buffer | null;
  /** Sends it although an earlier retry has stored it, or may have. */
  readonly again: boolean;
}

/** How a retry ended: what to tell, and whether the events are stored. */
export interface Retried {
  readonly ok: boolean;
  readonly text: string;
}

/**
 * Stores a quarantined event, once. In this order:
 *
 * | step                    | if it ends here                                                                         |
 * | ----------------------- | --------------------------------------------------------------------------------------- |
 * | decode and validate     | nothing has changed                                                                     |
 * | register writers        | they are forgotten after an hour                                                        |
 * | put the marker `begun`  | the next retry goes on with its writers: what they have stored is not stored again      |
 * | append                  | the same                                                                                |
 * | put the marker `stored` | further retries are refused                                                             |
 *
 * So a retry that is killed is never lost: `list` shows it as begun. Another one finishes it, as long as Redis knows its
 * writers; then nobody can say whether it has stored the event, and it is refused unless it is asked to store it `again`.
 */
export async function retryEvidence(evidence: Evidence, asked: RetryAsked, ports: RetryPorts): Promise<Retried> {
  const { markers, config } = ports;
  const { id } = evidence;
  const lines = linesOf(evidence, asked.corrected, config);
  if (typeof lines === 'string') return refused(id, `it would be refused again: ${lines}`);
  const invalid = await ports.validate(lines);
  if (invalid !== null) return refused(id, `it would be refused again: ${invalid}`);
  const bytes = lines.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0);
  if (lines.length > CHUNK_EVENTS_MAX || (bytes > CHUNK_BYTES_MAX && lines.length > 1)) {
    return refused(id, `${lines.length} events with ${bytes} bytes are too much for one retry: give them in parts`);
  }
  const dropping = droppedBy(lines, ports.nowMs(), config);
  if (dropping.length > 0) return refused(id, `routes with drop: true would drop it: ${dropping.join(', ')}`);
  const sha256 = createHash('sha256')
    .update(`${lines.join('\n')}\n`)
    .digest('hex');

  const attempts = await markers.of(id);
  const last = Math.max(0, ...attempts.map(({ attempt }) => attempt));
  const isStored = attempts.some(({ attempt, state }) => attempt === last && state === 'stored');
  let begun: BegunMarker;
  if (last > 0 && !asked.again) {
    if (isStored) {
      const { storedAt } = await markers.stored(id, last);
      return refused(id, `a retry stored it at ${storedAt}; --again stores it once more`);
    }
    begun = await markers.begun(id, last);
    if (begun.sha256 !== sha256) {
      const hint = 'finish it with the same file, or give --again: then both may be stored';
      return refused(id, `a retry with other content began at ${begun.begunAt} and has not ended: ${hint}`);
    }
  } else {
    const acceptedAtMs = ports.nowMs();
    begun = {
      v: 1,
      id,
      attempt: last + 1,
      begunAt: new Date(acceptedAtMs).toISOString(),
      sha256,
      partition: partitionsOf(lines, acceptedAtMs, config)[0]?.path ?? '',
      acceptedAtMs,
      byFingerprintOver: byFingerprintOver(config),
      parts: await registerParts(lanesOf(lines, byFingerprintOver(config)), ports),
    };
    const isOurs = await markers.put('begun', begun);
    // A store that ignores If-None-Match, or that does not let us look, does not say that there was one.
    const kept = await markers.begun(id, begun.attempt);
    if (!isOurs || !isDeepStrictEqual(kept, begun)) return refused(id, 'another retry of it has just begun');
  }
  return finish(begun, lines, ports);
}

async function finish(begun: BegunMarker, lines: readonly string[], ports: RetryPorts): Promise<Retried> {
  const { id, attempt, partition } = begun;
  const byLane = lanesOf(lines, begun.byFingerprintOver);
  let duplicates = 0;
  for (const part of begun.parts) {
    const appended = await appendPart(part, byLane.get(part.lane) ?? [], begun, ports);
    if (appended.kind !== 'stored') return refused(id, whyNot(appended, begun));
    duplicates += appended.duplicates;
  }
  const events = lines.length;
  const storedAt = new Date(ports.nowMs()).toISOString();
  // False: another process has finished the same retry.
  await ports.markers.put('stored', { v: 1, id, attempt, storedAt, events, duplicates });
  const others = partitionsOf(lines, begun.acceptedAtMs, ports.config).length - 1;
  const where = others === 0 ? partition : `${partition}, and of ${others} other folders`;
  const counted = events === 1 ? 'its event is' : `its ${events} events are`;
  const before = duplicates === 0 ? '' : `; ${duplicates} had been stored within dedupe_window`;
  return { ok: true, text: `${id}: ${counted} stored, and will be in an object of ${where}${before}` };
}

function whyNot({ kind }: Exclude<RetryAppended, { kind: 'stored' }>, { begunAt, partition }: BegunMarker): string {
  switch (kind) {
    case 'full':
      return 'the backlog in Redis is full; nothing is lost: run the same command again later';
    case 'away':
      return 'Redis did not confirm; nothing is lost: run the same command again, it stores the event once';
    case 'unknown_writer':
      return `a retry began at ${begunAt} and was not finished within an hour, so it is not known whether it stored the event: look for it in ${partition}, then give --again if it is not there`;
  }
}

function refused(id: string, why: string): Retried {
  return { ok: false, text: `${id}: not stored: ${why}` };
}
