import { expect, test } from 'vitest';
import { originsField, originsOf, parseSegmentTrace, SegmentOrigins, segmentTrace } from './origins.ts';
import { LINKS_MAX, type SpanIdentity, type Tracing } from './port.ts';

const span = (n: number, state = ''): SpanIdentity => ({
  traceId: String(n + 1).padStart(32, 'a'),
  spanId: String(n + 1).padStart(16, 'b'),
  state,
});
const everything: Tracing = {
  samples: () => true,
  start: () => {
    throw new Error('no span is started here');
  },
};

test('a slice of a chunk has the spans of the requests whose events are in it', () => {
  const field = originsField(10, [
    { span: span(0, 'a=b'), from: 0, to: 1 },
    { span: span(1), from: 4, to: 8 },
  ]);
  expect(field).toBeDefined();
  const found = (from: number, to: number) => originsOf(field ?? '', 10, from, to);
  expect(found(0, 10)).toEqual([span(0, 'a=b'), span(1)]);
  expect(found(0, 4)).toEqual([span(0, 'a=b')]);
  expect(found(1, 4)).toEqual([]);
  expect(found(7, 10)).toEqual([span(1)]);
  expect(found(8, 10)).toEqual([]);
});

test('where duplicates were dropped, every slice has all spans of the chunk', () => {
  const field = originsField(3, [{ span: span(0), from: 2, to: 3 }]) ?? '';
  expect(originsOf(field, 2, 0, 1)).toEqual([span(0)]);
});

test('a chunk without sampled requests has no field', () => {
  expect(originsField(5, [])).toBeUndefined();
});

test('the field is bounded by number and by size', () => {
  const many = Array.from({ length: 1_000 }, (_, n) => ({ span: span(n), from: n, to: n + 1 }));
  const short = originsField(1_000, many) ?? '';
  expect(originsOf(short, 1_000, 0, 1_000)).toHaveLength(LINKS_MAX);
  const long =
    originsField(
      1_000,
      many.map((origin) => ({ ...origin, span: { ...origin.span, state: 'x'.repeat(512) } })),
    ) ?? '';
  expect(long.length).toBeLessThan(17_000);
  expect(originsOf(long, 1_000, 0, 1_000).length).toBeGreaterThan(20);
});

test.each(['', '{', '7', 'null', '{}', '[]', '[1,2]', '[1,[0,1]]', '[1,[0,1,"x"]]', '[1,["0",1,"x"]]', '[1,null]'])(
  'a field that is none (%s) says nothing',
  (field) => expect(originsOf(field, 1, 0, 1)).toEqual([]),
);

test('a segment links to each sampled request once, and to no more than are allowed', () => {
  const origins = new SegmentOrigins(everything);
  const fields = (from: number) =>
    originsField(
      100,
      Array.from({ length: 100 }, (_, n) => ({ span: span(from + n), from: n, to: n + 1 })),
    ) ?? '';
  origins.add(fields(0), 100, 0, 50);
  origins.add(fields(0), 100, 49, 60);
  expect(origins.spans).toEqual(Array.from({ length: 60 }, (_, n) => span(n)));
  origins.add(fields(60), 100, 0, 100);
  expect(origins.spans).toHaveLength(LINKS_MAX);
  const none = new SegmentOrigins({ ...everything, samples: () => false });
  none.add(fields(0), 100, 0, 50);
  expect(none.spans).toEqual([]);
});

test('a record has the span of its seal and those of its requests', () => {
  const stored: unknown = JSON.parse(JSON.stringify(segmentTrace(span(0, 'a=b'), [span(1, 'c=d'), span(2)])));
  expect(parseSegmentTrace(stored)).toEqual({ seal: span(0, 'a=b'), requests: [span(1), span(2)] });
  for (const other of [
    undefined,
    null,
    'x',
    {},
    { seal: 'x', requests: [] },
    { seal: `${'a'.repeat(32)}-${'b'.repeat(16)}` },
  ])
    expect(parseSegmentTrace(other)).toBeNull();
});
