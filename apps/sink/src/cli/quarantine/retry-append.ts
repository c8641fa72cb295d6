import { setTimeout as sleep } from 'node:timers/promises';
import { fingerprint } from '@sink/cloudevents';
import { plainInterval, type SinkConfig } from '@sink/config';
import { APPEND_ENTRIES_MAX, DEFAULT_ROUTE, type Destination, partitionAt } from '@sink/domain';
import {
  type AppendEntry,
  assertReached,
  type DurabilityBarrier,
  IngestLane,
  type Marks,
  RedisFailure,
  type RedisPort,
  rememberLanes,
} from '@sink/lane';
import { openRouter } from '@sink/routing';
import type { BegunMarker, RetryPart } from './retry-markers.ts';

/** How long Redis may be away or full. */
const TRY_MS = 10_000;
const WAIT_MS = 200;

export interface RetryAppendPorts {
  readonly redis: RedisPort;
  readonly config: SinkConfig;
  readonly barrier: DurabilityBarrier;
  readonly backlogBytesMax: number;
  readonly newUid: () => string;
  readonly nowMs: () => number;
}

/** How an append of a retry ended. */
export type RetryAppended =
  | { readonly kind: 'stored'; readonly duplicates: number }
  | { readonly kind: 'full' | 'away' }
  /** The lane has forgotten the writer: nobody knows whether it has appended. */
  | { readonly kind: 'unknown_writer' };

/** Over how many lanes ingest distributes events by their fingerprints; 0: it does not look for first copies in a certain one. */
export function byFingerprintOver({ lanes, dedupeWindowMs }: SinkConfig): number {
  return lanes > 1 && dedupeWindowMs > 0 ? lanes : 0;
}

/** A lane for each line: that in which ingest would look for the event's first copy. */
export function lanesOf(lines: readonly string[], over: number): ReadonlyMap<number, readonly string[]> {
  return Map.groupBy(lines, (line) => (over === 0 ? 0 : fingerprint(line).readUInt32BE(0) % over));
}

/**
 * Takes a writer in each lane: with its first sequence it stores its part once, however often this is sent.
 * @throws RedisFailure when Redis does not confirm that the writers are durable
 */
export async function registerParts(
  lines: ReadonlyMap<number, readonly string[]>,
  { redis, config, barrier, newUid }: RetryAppendPorts,
): Promise<RetryPart[]> {
  await rememberLanes(redis, config.sinkName, config.lanes);
  const parts: RetryPart[] = [];
  for (const [number, { length: events }] of lines) {
    const lane = new IngestLane(redis, config.sinkName, number);
    await lane.open(newUid());
    parts.push({ lane: number, writer: await lane.registerWriter(newUid()), events });
    assertReached(await lane.reached(barrier), 'registering the writer of a retry');
  }
  return parts;
}

/** The paths of events that are accepted now, and the events of each. */
export function partitionsOf(lines: readonly string[], acceptedAtMs: number, config: SinkConfig): readonly Partition[] {
  const path = partitionAt(acceptedAtMs, plainInterval(config));
  return routed(lines, acceptedAtMs, config)?.parts ?? [{ route: DEFAULT_ROUTE, path, lines }];
}

/** The routes that drop some of these events now. */
export function droppedBy(lines: readonly string[], acceptedAtMs: number, config: SinkConfig): readonly string[] {
  return [...new Set(routed(lines, acceptedAtMs, config)?.dropped)];
}

/** Null: there are no routes, and the folders are the default ones. */
function routed(lines: readonly string[], acceptedAtMs: number, config: SinkConfig) {
  const maxPartitions = Math.min(config.maxPartitions, APPEND_ENTRIES_MAX - 1);
  return openRouter({ ...config, maxPartitions }, config)?.route(lines, acceptedAtMs) ?? null;
}

type Partition = Destination & { readonly lines: readonly string[] };

function entryOf({ route, path, lines }: Partition): AppendEntry & { readonly marks: Marks } {
  const body = `${lines.join('\n')}\n`;
  const lineBytes = lines.map((line) => Buffer.byteLength(line) + 1);
  const marks = { fingerprints: Buffer.concat(lines.map(fingerprint)), lineBytes };
  return { route, path, count: lines.length, body, bytes: Buffer.byteLength(body), marks };
}

function unmarked({ route, path, count, body, bytes }: AppendEntry): AppendEntry {
  return { route, path, count, body, bytes };
}

/** Appends a part under the writer that its marker names. */
export async function appendPart(
  { lane: number, writer }: RetryPart,
  lines: readonly string[],
  { acceptedAtMs }: BegunMarker,
  { redis, config, barrier, backlogBytesMax, nowMs }: RetryAppendPorts,
): Promise<RetryAppended> {
  const lane = new IngestLane(redis, config.sinkName, number);
  const window = { windowMs: config.dedupeWindowMs, fingerprintsMax: config.maxFingerprints };
  const entries = partitionsOf(lines, acceptedAtMs, config).map(entryOf);
  const untilMs = nowMs() + TRY_MS;
  let kind: 'full' | 'away';
  for (let sequence = 1; ;) {
    try {
      const request = { writer, sequence, furtherBytes: 0, acceptedAtMs, backlogBytesMax };
      const { answer, duplicates } =
        window.windowMs === 0
          ? { answer: await lane.append({ ...request, entries: entries.map(unmarked) }), duplicates: 0 }
          : await lane.appendOnce({ ...request, entries }, window);
      if (answer === 'stored') {
        assertReached(await lane.reached(barrier), 'appending a retry');
        return { kind: 'stored', duplicates };
      }
      if (answer === 'unknown_writer') return { kind: answer };
      // `full` was this sequence's answer for ever; `stale` says that an earlier try of this retry went beyond it.
      sequence += 1;
      if (answer === 'stale') continue;
      kind = 'full';
    } catch (error) {
      if (!(error instanceof RedisFailure)) throw error;
      kind = 'away';
    }
    if (nowMs() > untilMs) return { kind };
    await sleep(WAIT_MS);
  }
}
