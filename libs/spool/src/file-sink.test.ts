import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FileSink } from './file-sink.ts';
import type { WritableFile } from './file-sink.ts';

/** A file that takes the given part of each write, and shows what it took. */
function fileThatTakes(bytesOfWrite: (write: number) => number): {
  file: WritableFile;
  content: () => Buffer;
  writes: number[];
} {
  const taken: Buffer[] = [];
  const writes: number[] = [];
  const writev = async (buffers: readonly Buffer[]): Promise<{ bytesWritten: number }> => {
    const all = Buffer.concat(buffers);
    const bytesWritten = Math.min(all.length, Math.max(1, bytesOfWrite(writes.length)));
    await Promise.resolve();
    taken.push(all.subarray(0, bytesWritten));
    writes.push(bytesWritten);
    return { bytesWritten };
  };
  return { file: { writev: writev }, content: () => Buffer.concat(taken), writes };
}

describe('a file sink', () => {
  test('writes everything once and in order, however the writes are cut short', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 100_000 }), { maxLength: 40 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 400_000 })),
        fc.infiniteStream(fc.boolean()),
        async (sizes, cuts, waits) => {
          const { file, content } = fileThatTakes(() => Number(cuts.next().value));
          const sink = new FileSink(file, 'writing');
          const appended = sizes.map((size, index) => Buffer.alloc(size, index));
          for (const bytes of appended) {
            sink.append(bytes);
            if (waits.next().value) await sink.room();
            if (waits.next().value) await Promise.resolve();
          }
          await sink.flush();
          expect(content().equals(Buffer.concat(appended))).toBe(true);
        },
      ),
      { numRuns: 100 },
    );
  });

  test('gathers small buffers into large writes, also when there are very many of them', async () => {
    const { file, content, writes } = fileThatTakes(() => Infinity);
    const sink = new FileSink(file, 'writing');
    for (let index = 0; index < 10_000; index++) {
      sink.append(Buffer.alloc(300, index));
      await sink.room();
    }
    await sink.flush();
    expect(content().length).toBe(3_000_000);
    expect(writes.length).toBeLessThanOrEqual(13);
  });
});
