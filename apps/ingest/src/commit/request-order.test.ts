import { CHUNK_BYTES_MAX } from '@sink/domain';
import { expect, test } from 'vitest';
import { type AppendOutcome, plainPart } from './appender.ts';
import { ChunkBuilder, type PendingAppend } from './chunk-builder.ts';

const times = { slot: '2026/11/23/10', acceptedAtMs: 1_000, deadlineMs: 5_000 };
const large = 'x'.repeat(CHUNK_BYTES_MAX - 1);

/** The next chunk that may be stored now, and the lengths of its lines. */
function take(builder: ChunkBuilder): { chunk: PendingAppend | null; lengths: number[] | null } {
  const chunk = builder.take();
  return { chunk, lengths: chunk?.entries.flatMap(({ lines }) => lines.map((line) => line.length)) ?? null };
}

test('a chunk waits until the one with the earlier events of its request is stored, and delays no other request', () => {
  const builder = new ChunkBuilder();
  builder.add([plainPart([large, 'second', large])], () => undefined, times);
  builder.add([plainPart(['x'])], () => undefined, times);
  const first = take(builder);
  expect(first.lengths).toEqual([large.length]);
  expect(take(builder).lengths).toEqual([1]);
  expect(take(builder).lengths).toBeNull();
  if (first.chunk) builder.stored(first.chunk);
  expect(take(builder).lengths).toEqual([6]);
  expect(take(builder).lengths).toBeNull();
});

test('a chunk that is not stored takes the rest of its request along, and of no other one', () => {
  const builder = new ChunkBuilder();
  const told: AppendOutcome[] = [];
  builder.add([plainPart([large, large, large])], (outcome) => told.push(outcome), times);
  builder.add([plainPart([large, large])], (outcome) => told.push(outcome), times);
  const first = builder.take();
  if (first) builder.stored(first);
  const second = builder.take();
  if (!first || !second) throw new Error('there are two chunks');
  const rest = builder.takeContinuing(second);
  expect(rest).toHaveLength(1);
  for (const { settle } of first.waiting) settle('stored');
  for (const chunk of [second, ...rest]) for (const { settle } of chunk.waiting) settle('backlog_full');
  expect(told).toEqual(['in_doubt']);
  expect([take(builder).lengths, take(builder).lengths]).toEqual([[large.length], null]);
});
