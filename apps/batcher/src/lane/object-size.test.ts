import type { Compression } from '@sink/domain';
import { SpoolDirectory } from '@sink/spool';
import { temporaryDirectory } from '@sink/testing';
import { expect, test } from 'vitest';
import { skewedEvents } from '../test/skewed-events.ts';
import { ObjectSize } from './object-size.ts';
import { writeToTarget } from './write-to-target.ts';

const KIB = 1024;

/** Chunks of lines, some with one event and some with many. */
function* chunks(seed: number, largeBytesMax: number): Generator<Buffer, never, void> {
  const lines = skewedEvents(seed, largeBytesMax);
  for (let n = 0; ; n++) {
    const bytesMax = [1, 2_000, 100_000, 1_000_000][n % 4] ?? 1;
    let chunk = '';
    while (chunk.length < bytesMax) chunk += lines.next().value;
    yield Buffer.from(chunk);
  }
}

async function sizes(compression: Compression, targetBytes: number, objects: number, seed: number): Promise<number[]> {
  const spool = new SpoolDirectory(temporaryDirectory('sizes')).instance('b-1');
  const made: number[] = [];
  const source = chunks(seed, targetBytes / 5);
  let chunk: Buffer = Buffer.alloc(0);
  let byte = 0;
  for (let n = 0; n < objects; n++) {
    const file = await spool.createSegment({ segmentId: `s-${n}`, compression, compressionLevel: undefined });
    const size = new ObjectSize(file);
    for (;;) {
      if (byte === chunk.length) [chunk, byte] = [source.next().value, 0];
      const events = chunk.toString('latin1', byte).split('\n').length - 1;
      const written = await writeToTarget({ file, size, targetBytes }, chunk, byte, { events, endByte: chunk.length });
      byte = written.endByte;
      if (written.isReached) break;
    }
    made.push((await file.finish()).objectBytes);
    await file.discard();
  }
  await spool.close();
  return made;
}

test.each(['none', 'gzip', 'zstd'] as const)(
  '%s: objects of mixed content are as large as their target',
  async (compression) => {
    for (const targetBytes of [64 * KIB, 256 * KIB]) {
      const made = await sizes(compression, targetBytes, 20, 7);
      const near = made.filter((bytes) => Math.abs(bytes / targetBytes - 1) <= 0.2);
      expect(near.length, made.join(' ')).toBeGreaterThanOrEqual(0.9 * made.length);
    }
  },
);

test('of a body without an LF at its end nothing more is taken', async () => {
  const spool = new SpoolDirectory(temporaryDirectory('sizes')).instance('b-1');
  const file = await spool.createSegment({ segmentId: 's-1', compression: 'none', compressionLevel: undefined });
  const body = Buffer.alloc(200 * KIB, 'x');
  const ports = { file, size: new ObjectSize(file), targetBytes: 64 * KIB };
  expect(await writeToTarget(ports, body, 0, { events: 1, endByte: body.length })).toEqual({
    ...{ events: 0, endByte: 0, isReached: false },
  });
  await file.discard();
  await spool.close();
});
