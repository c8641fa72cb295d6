import { describe, expect, test } from 'vitest';
import { BATCHER_LIMITS } from '../settings.ts';
import { ReadPace } from './read-pace.ts';

const READ_BYTES = BATCHER_LIMITS.readBytes;

const MB = 1_000_000;

/** Reads that come back full of chunks of one size; what the last one asked for. */
function readFull(pace: ReadPace, reads: number, bytes: number): number {
  for (let n = 0; n < reads; n++) pace.took(Array.from({ length: pace.chunks }, () => bytes));
  return pace.chunks;
}

describe('the pace of reading', () => {
  test('grows to the most while reads come back full of small chunks', () => {
    const pace = new ReadPace(32, READ_BYTES);
    expect(pace.chunks).toBe(4);
    expect(readFull(pace, 1, 1_000)).toBe(8);
    expect(readFull(pace, 5, 1_000)).toBe(32);
  });

  test('brings some 4 MB at a time, whatever the size of a chunk, and one chunk at least', () => {
    for (const bytes of [100_000, MB, 3 * MB, 8 * MB, 16 * MB, 40 * MB]) {
      const chunks = readFull(new ReadPace(32, READ_BYTES), 10, bytes);
      expect(chunks * bytes).toBeLessThanOrEqual(Math.max(bytes, 4.2 * MB));
      expect(chunks).toBeGreaterThanOrEqual(1);
    }
  });

  test('one huge chunk among small ones is remembered for a while', () => {
    const pace = new ReadPace(32, READ_BYTES);
    readFull(pace, 5, 1_000);
    pace.took([1_000, 16 * MB, 1_000]);
    expect(pace.chunks).toBe(1);
    expect(readFull(pace, 5, 1_000)).toBe(1);
    expect(readFull(pace, 100, 1_000)).toBe(32);
  });

  test('falls back in quiet, so that a burst of huge events finds it low', () => {
    const pace = new ReadPace(32, READ_BYTES);
    readFull(pace, 5, 1_000);
    for (let n = 0; n < 5; n++) pace.took([]);
    expect(pace.chunks).toBe(4);
  });

  test('says when chunks trickle in: something came, but less than was asked for', () => {
    const pace = new ReadPace(32, READ_BYTES);
    expect(pace.trickling).toBe(false);
    pace.took([1_000]);
    expect(pace.trickling).toBe(true);
    pace.took([]);
    expect(pace.trickling).toBe(false);
    pace.took(Array.from({ length: pace.chunks }, () => 1_000));
    expect(pace.trickling).toBe(false);
  });

  test('never asks for more than it may', () => {
    expect(new ReadPace(2, READ_BYTES).chunks).toBe(2);
    expect(readFull(new ReadPace(2, READ_BYTES), 10, 1)).toBe(2);
  });
});
