import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { byteOfLine, isOlderChunk, lineRun } from './chunk.ts';

const line = fc.string({ unit: 'grapheme', maxLength: 30 }).map((text) => text.replaceAll('\n', ' '));
const lines = fc.array(line, { minLength: 1, maxLength: 40 });
const bodyOf = (texts: readonly string[]): Buffer => Buffer.from(texts.map((text) => `${text}\n`).join(''));

describe('the byte of a line', () => {
  test('is where that line starts, counted from anywhere before it', () => {
    fc.assert(
      fc.property(lines, fc.nat(), fc.nat(), (texts, a, b) => {
        const body = bodyOf(texts);
        const index = a % (texts.length + 1);
        const from = b % (index + 1);
        const byte = bodyOf(texts.slice(0, index)).length;
        expect(byteOfLine(body, index)).toBe(byte);
        expect(byteOfLine(body, index, from, bodyOf(texts.slice(0, from)).length)).toBe(byte);
      }),
    );
  });

  test('is -1 behind the last line', () => {
    expect(byteOfLine(Buffer.from('a\nb\n'), 3)).toBe(-1);
    expect(byteOfLine(Buffer.from('a\nb'), 2)).toBe(-1);
  });
});

describe('a run of lines', () => {
  const limits = fc.record({
    eventsMax: fc.integer({ min: 1, max: 10 }),
    bytesMax: fc.integer({ min: 1, max: 80 }),
    oversized: fc.boolean(),
  });

  test('is the longest that both limits allow; beyond the bytes there is one line at most', () => {
    fc.assert(
      fc.property(lines, limits, (texts, limit) => {
        const body = bodyOf(texts);
        const { events, endByte } = lineRun(body, 0, limit);
        expect(endByte).toBe(bodyOf(texts.slice(0, events)).length);
        expect(events).toBeLessThanOrEqual(limit.eventsMax);
        if (endByte > limit.bytesMax) expect([events, limit.oversized]).toEqual([1, true]);
        const oneMore = bodyOf(texts.slice(0, events + 1)).length;
        const ended = events === limit.eventsMax || events === texts.length || oneMore > limit.bytesMax;
        expect(ended).toBe(true);
        if (limit.oversized) expect(events).toBeGreaterThan(0);
      }),
    );
  });

  test('one after the other, runs hold every byte of the chunk once', () => {
    fc.assert(
      fc.property(lines, limits, (texts, limit) => {
        const body = bodyOf(texts);
        const parts: Buffer[] = [];
        let count = 0;
        for (let byte = 0; byte < body.length;) {
          const run = lineRun(body, byte, { ...limit, oversized: true });
          expect(run.endByte).toBeGreaterThan(byte);
          parts.push(body.subarray(byte, run.endByte));
          count += run.events;
          byte = run.endByte;
        }
        expect(Buffer.concat(parts).equals(body)).toBe(true);
        expect(count).toBe(texts.length);
      }),
    );
  });

  test('ends before a line without its LF', () => {
    const everything = { eventsMax: 9, bytesMax: 99, oversized: true };
    expect(lineRun(Buffer.from('a\nb'), 0, everything)).toEqual({ events: 1, endByte: 2 });
    expect(lineRun(Buffer.from('b'), 0, everything)).toEqual({ events: 0, endByte: 0 });
  });

  test('a line larger than the bytes is left for the next run if other lines come before it', () => {
    const body = Buffer.from(`a\n${'x'.repeat(50)}\n`);
    expect(lineRun(body, 2, { eventsMax: 9, bytesMax: 10, oversized: false })).toEqual({ events: 0, endByte: 2 });
    expect(lineRun(body, 0, { eventsMax: 9, bytesMax: 10, oversized: true })).toEqual({ events: 1, endByte: 2 });
  });
});

test.each([
  ['9-0', '10-0', true],
  ['10-9', '10-10', true],
  ['10-10', '10-9', false],
  ['11-0', '10-1', false],
  ['10-1', '10-1', false],
  ['18446744073709551614-0', '18446744073709551615-0', true],
])('chunk %s is older than %s: %s', (id, other, expected) => {
  expect(isOlderChunk(id, other)).toBe(expected);
});
