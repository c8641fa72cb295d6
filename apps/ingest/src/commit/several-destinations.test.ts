import { APPEND_ENTRIES_MAX, CHUNK_BYTES_MAX, DEFAULT_ROUTE, QUARANTINE_ROUTE } from '@sink/domain';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AppendOutcome, type Part, plainPart } from './appender.ts';
import { ChunkBuilder, leaveOutGone, type PendingAppend } from './chunk-builder.ts';

const times = { slot: '2026/11/23/10', acceptedAtMs: 1_000, deadlineMs: 5_000 };
const ignore = (): void => undefined;

const to = (path: string | null, ...lines: string[]): Part => ({ route: DEFAULT_ROUTE, path, lines, dedupe: true });
const evidence = (...lines: string[]): Part => ({ route: QUARANTINE_ROUTE, path: null, lines, dedupe: false });

/** Takes all appends, as if each were stored at once. */
function takeAll(builder: ChunkBuilder): PendingAppend[] {
  const appends: PendingAppend[] = [];
  for (let append = builder.take(); append; append = builder.take()) {
    builder.stored(append);
    appends.push(append);
  }
  return appends;
}

/** What goes where in an append. */
const contentOf = ({ entries }: PendingAppend) => entries.map(({ route, path, lines }) => [route, path, lines]);

describe('what is gathered becomes one append, whatever its destinations', () => {
  test('a destination has one entry, with the lines of all requests in their order', () => {
    const builder = new ChunkBuilder();
    builder.add([plainPart(['a']), evidence('bad a')], ignore, times);
    builder.add([plainPart(['b'])], ignore, times);
    builder.add([to('free', 'c'), evidence('bad c'), to('free', 'd')], ignore, times);
    const [append, ...others] = takeAll(builder);
    expect(others).toEqual([]);
    expect(append && contentOf(append)).toEqual([
      [DEFAULT_ROUTE, times.slot, ['a', 'b']],
      [QUARANTINE_ROUTE, times.slot, ['bad a', 'bad c']],
      [DEFAULT_ROUTE, 'free', ['c', 'd']],
    ]);
    expect(append).toMatchObject({ events: 6, bytes: 20 });
    expect(append?.waiting).toHaveLength(3);
  });

  test('lines that are looked up and lines that are not stay apart', () => {
    const builder = new ChunkBuilder();
    builder.add([to('x', 'a'), { ...to('x', 'b'), dedupe: false }, to('x', 'c')], ignore, times);
    const [append] = takeAll(builder);
    expect(append?.entries.map(({ dedupe, lines }) => [dedupe, lines])).toEqual([
      [true, ['a', 'c']],
      [false, ['b']],
    ]);
  });

  test('a request that fits an append, but not the one that grows, goes whole with the next one', () => {
    const builder = new ChunkBuilder();
    const half = 'x'.repeat(CHUNK_BYTES_MAX / 2);
    builder.add([plainPart([half])], ignore, times);
    builder.add([to('y', 'small'), to('z', half)], ignore, times);
    expect(takeAll(builder).map(({ entries }) => entries.map(({ path }) => path))).toEqual([[times.slot], ['y', 'z']]);
  });

  test('an append has a thousand entries at most', () => {
    const builder = new ChunkBuilder();
    for (let n = 0; n <= APPEND_ENTRIES_MAX; n++) builder.add([to(`p${n}`, 'a')], ignore, times);
    expect(takeAll(builder).map(({ entries }) => entries.length)).toEqual([APPEND_ENTRIES_MAX, 1]);
  });
});

test('a request that exceeds one append goes in order, part by part, and asks for all its room first', () => {
  const builder = new ChunkBuilder();
  const told: AppendOutcome[] = [];
  const half = (letter: string): string => letter.repeat(CHUNK_BYTES_MAX / 2 - 1);
  builder.add(
    [to('x', half('a'), half('b'), half('c')), to('y', half('d'), 'e')],
    (outcome) => told.push(outcome),
    times,
  );
  const appends = takeAll(builder);
  const letters = appends.map(({ entries }) => entries.map(({ path, lines }) => [path, lines.map(([first]) => first)]));
  expect(letters).toEqual([
    [['x', ['a', 'b']]],
    [
      ['x', ['c']],
      ['y', ['d']],
    ],
    [['y', ['e']]],
  ]);
  expect(appends.map(({ furtherBytes, furtherChunks }) => [furtherBytes, furtherChunks])).toEqual([
    [CHUNK_BYTES_MAX + 2, 3],
    [0, 0],
    [0, 0],
  ]);
  for (const { waiting } of appends) for (const { settle } of waiting) settle('stored');
  expect(told).toEqual(['stored']);
});

test('a request with more destinations than an append may have goes in order too', () => {
  const builder = new ChunkBuilder();
  const parts = Array.from({ length: APPEND_ENTRIES_MAX + 2 }, (_, n) => to(`p${n}`, `${n}`));
  builder.add(parts, ignore, times);
  const appends = takeAll(builder);
  expect(appends.map(({ entries }) => entries.length)).toEqual([APPEND_ENTRIES_MAX, 2]);
  expect(appends.flatMap(({ entries }) => entries.map(({ path }) => path))).toEqual(parts.map(({ path }) => path));
});

test('what nobody waits for any more is left out of every entry, and an entry of which nothing is left is too', () => {
  const builder = new ChunkBuilder();
  const told: AppendOutcome[] = [];
  let hasLeft = false;
  builder.add([plainPart(['a'])], ignore, times);
  builder.add(
    [plainPart(['bb', 'cc']), to('x', 'd'), to('y', 'e')],
    (outcome) => told.push(outcome),
    times,
    () => hasLeft,
  );
  builder.add([to('y', 'f'), plainPart(['g'])], ignore, times);
  const [append] = takeAll(builder);
  if (!append) throw new Error('there is an append');
  expect(leaveOutGone(append)).toBe(false);
  hasLeft = true;
  expect(leaveOutGone(append)).toBe(true);
  expect(told).toEqual(['gone']);
  expect(contentOf(append)).toEqual([
    [DEFAULT_ROUTE, times.slot, ['a', 'g']],
    [DEFAULT_ROUTE, 'y', ['f']],
  ]);
  expect(append).toMatchObject({ events: 3, bytes: 6, entries: [{ bytes: 4 }, { bytes: 2 }] });
  expect(append.waiting).toHaveLength(2);
});

test('every line is in one entry of its destination, once, in order, within the limits; a request that fits one append is in one', () => {
  const line = fc.oneof(
    fc.string({ maxLength: 5 }),
    fc.integer({ min: 1, max: 11 }).map((n) => 'é'.repeat(n * 50_000)),
  );
  const part = fc.record({
    route: fc.constantFrom(DEFAULT_ROUTE, QUARANTINE_ROUTE),
    path: fc.constantFrom(null, 'x', 'y'),
    lines: fc.array(line, { maxLength: 4 }),
    dedupe: fc.boolean(),
  });
  const keyOf = (one: { route: string; path: string | null; dedupe: boolean }): string =>
    `${one.route} ${one.path ?? times.slot} ${one.dedupe}`;
  fc.assert(
    fc.property(fc.array(fc.array(part, { maxLength: 4 }), { maxLength: 5 }), (requests) => {
      const builder = new ChunkBuilder();
      const told: AppendOutcome[] = [];
      const numbered = requests.map((parts, request) =>
        parts.map((one, n) => ({ ...one, lines: one.lines.map((text, at) => `${request}.${n}.${at}.${text}`) })),
      );
      for (const parts of numbered) builder.add(parts, (outcome) => told.push(outcome), times);
      const appends = takeAll(builder);
      const stored = new Map<string, string[]>();
      const appendsOf = new Map<string, Set<number>>();
      for (const [number, append] of appends.entries()) {
        const lines = append.entries.flatMap((entry) => entry.lines);
        expect(append.events).toBe(lines.length);
        expect(append.bytes).toBe(lines.reduce((sum, text) => sum + Buffer.byteLength(text) + 1, 0));
        expect(append.bytes <= CHUNK_BYTES_MAX || append.events === 1).toBe(true);
        for (const entry of append.entries) {
          stored.set(keyOf(entry), [...(stored.get(keyOf(entry)) ?? []), ...entry.lines]);
          for (const text of entry.lines) {
            const [request = ''] = text.split('.');
            appendsOf.set(request, (appendsOf.get(request) ?? new Set()).add(number));
          }
        }
        for (const { settle } of append.waiting) settle('stored');
      }
      const expected = new Map<string, string[]>();
      for (const one of numbered.flat()) {
        if (one.lines.length > 0) expected.set(keyOf(one), [...(expected.get(keyOf(one)) ?? []), ...one.lines]);
      }
      expect(stored).toEqual(expected);
      for (const [request, parts] of numbered.entries()) {
        const lines = parts.flatMap((one) => one.lines);
        const bytes = lines.reduce((sum, text) => sum + Buffer.byteLength(text) + 1, 0);
        if (lines.length > 0 && bytes <= CHUNK_BYTES_MAX) expect(appendsOf.get(`${request}`)?.size).toBe(1);
      }
      expect(told).toEqual(requests.map(() => 'stored'));
    }),
    { numRuns: 40 },
  );
});
