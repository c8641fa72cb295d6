import { CHUNK_BYTES_MAX, CHUNK_EVENTS_MAX } from '@sink/domain';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AppendOutcome, plainPart } from './appender.ts';
import { ChunkBuilder, leaveOutGone, type PendingAppend } from './chunk-builder.ts';

const times = { slot: '2026/11/23/10', acceptedAtMs: 1_000, deadlineMs: 5_000 };
/** All lines of an append. */
const linesOf = ({ entries }: PendingAppend): string[] => entries.flatMap(({ lines }) => lines);
const lineOf = (bytes: number): string => 'x'.repeat(bytes - 1);

function build(): { builder: ChunkBuilder; announced: AppendOutcome[]; settle: (outcome: AppendOutcome) => void } {
  const announced: AppendOutcome[] = [];
  return { builder: new ChunkBuilder(), announced, settle: (outcome) => announced.push(outcome) };
}

/** Takes the next chunk, as if it were stored at once. */
function takeStored(builder: ChunkBuilder): PendingAppend | null {
  const chunk = builder.take();
  if (chunk) builder.stored(chunk);
  return chunk;
}

function takeAll(builder: ChunkBuilder): PendingAppend[] {
  const chunks: PendingAppend[] = [];
  for (let chunk = takeStored(builder); chunk; chunk = takeStored(builder)) chunks.push(chunk);
  return chunks;
}

const settleAll = (chunk: PendingAppend | undefined, outcome: AppendOutcome): void => {
  for (const { settle } of chunk?.waiting ?? []) settle(outcome);
};

describe('gathering submissions into chunks', () => {
  test('submissions share a chunk, in the order they came', () => {
    const { builder, settle } = build();
    builder.add([plainPart(['a', 'b'])], settle, times);
    builder.add([plainPart(['é'])], settle, { ...times, acceptedAtMs: 1_050, deadlineMs: 5_050 });
    const [chunk, ...others] = takeAll(builder);
    expect(others).toEqual([]);
    expect(chunk).toMatchObject({ ...times, bytes: 7, furtherBytes: 0 });
    expect(chunk?.entries).toMatchObject([
      { route: '_default', path: times.slot, dedupe: true, lines: ['a', 'b', 'é'], bytes: 7 },
    ]);
    expect(chunk?.waiting).toHaveLength(2);
  });

  test('a chunk that was taken grows no more', () => {
    const { builder, settle } = build();
    builder.add([plainPart(['a'])], settle, times);
    const first = builder.take();
    builder.add([plainPart(['b'])], settle, times);
    expect(first && linesOf(first)).toEqual(['a']);
    const second = builder.take();
    expect(second && linesOf(second)).toEqual(['b']);
    expect([builder.take(), builder.deadlineMs]).toEqual([null, null]);
  });

  test('a chunk has up to 1,000,000 bytes, LF included', () => {
    const { builder, settle } = build();
    builder.add([plainPart([lineOf(CHUNK_BYTES_MAX - 10)])], settle, times);
    builder.add([plainPart([lineOf(10)])], settle, times);
    builder.add([plainPart([lineOf(2)])], settle, times);
    expect(takeAll(builder).map((chunk) => chunk.bytes)).toEqual([CHUNK_BYTES_MAX, 2]);
  });

  test('a line that is larger is a chunk of its own', () => {
    const { builder, settle } = build();
    builder.add([plainPart(['a', lineOf(CHUNK_BYTES_MAX + 1), 'b'])], settle, times);
    expect(takeAll(builder).map((chunk) => chunk.bytes)).toEqual([2, CHUNK_BYTES_MAX + 1, 2]);
  });

  test('a chunk has a bounded number of events', () => {
    const { builder, settle } = build();
    builder.add([plainPart(Array.from({ length: CHUNK_EVENTS_MAX + 1 }, () => 'a'))], settle, times);
    expect(takeAll(builder).map((chunk) => linesOf(chunk).length)).toEqual([CHUNK_EVENTS_MAX, 1]);
  });

  test('partitions are never mixed, also when the clock goes back', () => {
    const { builder, settle } = build();
    for (const hour of ['10', '11', '10'])
      builder.add([plainPart([hour])], settle, { ...times, slot: `2026/11/23/${hour}` });
    expect(takeAll(builder).map((chunk) => [chunk.entries[0]?.path, linesOf(chunk)])).toEqual([
      ['2026/11/23/10', ['10']],
      ['2026/11/23/11', ['11']],
      ['2026/11/23/10', ['10']],
    ]);
  });

  test('a submission more than 100 ms after a waiting chunk is not refused with it', () => {
    const { builder, settle } = build();
    builder.add([plainPart(['a'])], settle, times);
    builder.add([plainPart(['b'])], settle, { ...times, deadlineMs: 5_100 });
    builder.add([plainPart(['c'])], settle, { ...times, deadlineMs: 5_101 });
    expect(takeAll(builder).map((chunk) => [linesOf(chunk), chunk.deadlineMs])).toEqual([
      [['a', 'b'], 5_000],
      [['c'], 5_101],
    ]);
  });

  test('a chunk is refused at the earliest deadline in it', () => {
    const { builder, settle } = build();
    builder.add([plainPart(['a'])], settle, times);
    builder.add([plainPart(['held before'])], settle, { ...times, deadlineMs: 4_900 });
    expect(takeAll(builder)).toMatchObject([{ entries: [{ lines: ['a', 'held before'] }], deadlineMs: 4_900 }]);
  });

  test('chunks that are due are taken, wherever they are, and no others', () => {
    const { builder, settle } = build();
    builder.add([plainPart(['first'])], settle, times);
    builder.add([plainPart(['held for long'])], settle, { ...times, deadlineMs: 2_000 });
    builder.add([plainPart(['last'])], settle, { ...times, deadlineMs: 3_000 });
    expect(builder.deadlineMs).toBe(2_000);
    expect(builder.takeDue(1_999)).toEqual([]);
    expect(builder.takeDue(2_000)).toMatchObject([{ entries: [{ lines: ['held for long'] }] }]);
    expect(builder.deadlineMs).toBe(3_000);
    expect(builder.takeDue(3_000)).toMatchObject([{ entries: [{ lines: ['last'] }] }]);
    expect(takeAll(builder)).toMatchObject([{ entries: [{ lines: ['first'] }] }]);
  });

  test('a submission over several chunks is stored when all are, and asks for all its room first', () => {
    const { builder, announced, settle } = build();
    const half = lineOf(CHUNK_BYTES_MAX / 2);
    builder.add([plainPart([half, half, half, half, 'rest'])], settle, times);
    const chunks = takeAll(builder);
    expect(chunks.map((chunk) => chunk.furtherBytes)).toEqual([CHUNK_BYTES_MAX + 5, 0, 0]);
    settleAll(chunks[2], 'stored');
    settleAll(chunks[0], 'stored');
    expect(announced).toEqual([]);
    settleAll(chunks[1], 'stored');
    expect(announced).toEqual(['stored']);
  });

  test.each<[AppendOutcome[], AppendOutcome]>([
    [['backlog_full', 'backlog_full', 'redis_away'], 'backlog_full'],
    [['stored', 'backlog_full', 'stored'], 'in_doubt'],
    [['redis_away', 'stored', 'redis_away'], 'in_doubt'],
    [['redis_away', 'in_doubt', 'redis_away'], 'in_doubt'],
  ])(
    'parts that ended %j make it %s: no request that may be stored is answered as not stored',
    (outcomes, expected) => {
      const { builder, announced, settle } = build();
      const large = lineOf(CHUNK_BYTES_MAX);
      builder.add([plainPart([large, large, large])], settle, times);
      for (const [index, chunk] of takeAll(builder).entries()) settleAll(chunk, outcomes[index] ?? 'stored');
      expect(announced).toEqual([expected]);
    },
  );

  test('what nobody waits for any more is left out, and the rest keeps its order and size', () => {
    const { builder, announced, settle } = build();
    let isGone = false;
    builder.add([plainPart(['a', 'bb'])], settle, times);
    builder.add([plainPart(['ccc', 'dd'])], settle, times, () => isGone);
    builder.add([plainPart(['e'])], settle, times);
    const chunk = builder.take();
    if (!chunk) throw new Error('there is a chunk');
    expect(leaveOutGone(chunk)).toBe(false);
    isGone = true;
    expect(leaveOutGone(chunk)).toBe(true);
    expect(announced).toEqual(['gone']);
    expect(chunk).toMatchObject({ entries: [{ lines: ['a', 'bb', 'e'], bytes: 7 }], bytes: 7, events: 3 });
    settleAll(chunk, 'stored');
    expect(announced).toEqual(['gone', 'stored', 'stored']);
  });

  test('a very large body has more time than a small one', () => {
    const { builder, settle } = build();
    builder.add([plainPart(['small'])], settle, times);
    builder.add([plainPart([lineOf(40 * CHUNK_BYTES_MAX)])], settle, times);
    const [small, large] = takeAll(builder);
    expect(small?.deadlineMs).toBe(times.deadlineMs);
    expect(large?.deadlineMs).toBeGreaterThan(times.deadlineMs + 3_000);
  });

  test('an empty submission is stored at once', () => {
    const { builder, announced, settle } = build();
    builder.add([plainPart([])], settle, times);
    expect([announced, builder.take()]).toEqual([['stored'], null]);
  });

  test('every line is in one chunk, once, in order, and every submission is settled once', () => {
    const line = fc.oneof(
      fc.string({ maxLength: 20 }),
      fc.integer({ min: 1, max: 12 }).map((n) => 'é'.repeat(n * 50_000)),
    );
    fc.assert(
      fc.property(
        fc.array(fc.array(line, { maxLength: 8 }), { maxLength: 8 }),
        fc.array(fc.boolean()),
        (submissions, takes) => {
          const { builder, announced, settle } = build();
          const chunks: PendingAppend[] = [];
          for (const [index, lines] of submissions.entries()) {
            builder.add([plainPart(lines)], settle, times);
            const chunk = takes[index] === true ? takeStored(builder) : null;
            if (chunk) chunks.push(chunk);
          }
          chunks.push(...takeAll(builder));
          expect(chunks.flatMap(linesOf)).toEqual(submissions.flat());
          for (const chunk of chunks) {
            expect(chunk.bytes).toBe(Buffer.byteLength(`${linesOf(chunk).join('\n')}\n`));
            expect(chunk.bytes <= CHUNK_BYTES_MAX || linesOf(chunk).length === 1).toBe(true);
            settleAll(chunk, 'stored');
          }
          expect(announced).toEqual(submissions.map(() => 'stored'));
        },
      ),
      { numRuns: 50 },
    );
  });
});
