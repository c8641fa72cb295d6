import { chunkCostBytes } from '../cost.ts';
import { type LaneKeys, seenSlotKeys } from '../keys.ts';
import { type Argument, type RedisPort, UnexpectedAnswer } from '../port.ts';
import { asInteger, asText } from '../reply.ts';
import { append as appendScript, appendOnce as appendOnceScript } from '../scripts/append.ts';
import { SLOTS } from '../scripts/dedupe.ts';

export interface AppendRequest {
  readonly writer: string;
  readonly sequence: number;
  readonly partition: string;
  readonly count: number;
  /** NDJSON; every line ends in LF. */
  readonly body: string | Buffer;
  readonly bytes: number;
  /** Bytes that must fit beside this chunk for the requests that go on in the next ones. */
  readonly furtherBytes: number;
  readonly acceptedAtMs: number;
  readonly backlogBytesMax: number;
}

/** What an append needs to drop events that were stored before. */
export interface Dedupe {
  /** FINGERPRINT_BYTES bytes for each event in the body, in order: a hash over what makes it the same event. */
  readonly fingerprints: Buffer;
  /** Bytes of each line, with its LF. */
  readonly lineBytes: readonly number[];
  /** How long an event is remembered, by Redis' clock, in milliseconds; up to a quarter longer. */
  readonly windowMs: number;
  /** Fingerprints the lane remembers, about; with more, the oldest quarter of the window is forgotten early. */
  readonly fingerprintsMax: number;
}

export type AppendAnswer = 'stored' | 'full' | 'stale' | 'unknown_writer';

export interface AppendOnceAnswer {
  readonly answer: AppendAnswer;
  /** Events that were stored before, and dropped. */
  readonly duplicates: number;
}

export async function append(redis: RedisPort, keys: LaneKeys, request: AppendRequest): Promise<AppendAnswer> {
  const { chunks, taken, left, writers, backlog } = keys;
  const names = [chunks, taken, left, writers, backlog];
  return appendAnswer(await redis.run(appendScript, names, appendArguments(request))).answer;
}

export async function appendOnce(
  redis: RedisPort,
  keys: LaneKeys,
  request: AppendRequest,
  dedupe: Dedupe,
): Promise<AppendOnceAnswer> {
  const { chunks, taken, left, writers, backlog, seen } = keys;
  const { fingerprints, lineBytes, windowMs, fingerprintsMax } = dedupe;
  const names = [chunks, taken, left, writers, backlog, seen, ...seenSlotKeys(keys)];
  const lengths = JSON.stringify(lineBytes);
  const args = [...appendArguments(request), fingerprints, lengths, windowMs, Math.ceil(fingerprintsMax / SLOTS)];
  return appendAnswer(await redis.run(appendOnceScript, names, args));
}

function appendArguments(request: AppendRequest): Argument[] {
  const cost = chunkCostBytes(request.bytes);
  const furtherCost = request.furtherBytes > 0 ? chunkCostBytes(request.furtherBytes) : 0;
  return [
    request.writer,
    request.sequence,
    request.partition,
    request.count,
    cost,
    cost + furtherCost,
    request.backlogBytesMax,
    request.acceptedAtMs,
    request.body,
  ];
}

function appendAnswer(reply: unknown): AppendOnceAnswer {
  switch (reply) {
    case 'stored':
    case 'full':
    case 'stale':
    case 'unknown_writer':
      return { answer: reply, duplicates: 0 };
  }
  const duplicates = asInteger(/^stored(\d+)$/.exec(asText(reply) ?? '')?.[1]);
  if (duplicates === null) throw new UnexpectedAnswer('appending a chunk', reply);
  return { answer: 'stored', duplicates };
}
