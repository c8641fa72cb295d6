import { eventually } from '@sink/testing';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { BatcherWorld } from '../test/batcher-world.ts';
import { skewedEvents } from '../test/skewed-events.ts';

const world = new BatcherWorld();
const TARGET = 256 * 1024;

test('objects are closed at their size in the bucket, and each event is in one of them', async () => {
  const source = skewedEvents(3, TARGET / 5);
  const batcher = world.batcher({ compression: 'gzip', targetObjectBytes: TARGET, flushSize: 1e7, flushBytes: 4e9 });
  let appended = 0;
  for (let n = 0; n < 9; n++) {
    const lines = Array.from({ length: [1, 600, 5_000][n % 3] ?? 1 }, () => source.next().value.trimEnd());
    appended += lines.length;
    await world.append(lines.length, { lines });
  }
  // What was appended before is taken when this is.
  await world.append(1, { partition: '2026/11/23/11' });
  await eventually(() => expect(batcher.openPaths()).toBe(2));
  const full = await eventually(async () => {
    const sealed = await world.records();
    expect(sealed.length).toBeGreaterThan(3);
    return sealed;
  });
  await batcher.stop();
  expect((await world.records()).reduce((sum, { count }) => sum + count, 0)).toBe(appended + 1);
  for (const { spool, id } of full) {
    // The footer of the file has the record beside the object.
    const { size } = statSync(join(world.spoolDir, spool, `${id}.segment`));
    expect(Math.abs(size / TARGET - 1)).toBeLessThan(0.2);
  }
  expect(new Set(full.flatMap(({ slices }) => slices.map(([chunk]) => chunk))).size).toBeLessThanOrEqual(9);
});

test('an event that is larger than the target is an object of its own', async () => {
  const noise = (letter: string): string => `"${letter.repeat(10)}${[...skewedLines()].join('').slice(0, 800_000)}"`;
  const batcher = world.batcher({ targetObjectBytes: TARGET, flushSize: 1e7, flushBytes: 4e9 });
  await world.append(3, { lines: [noise('a'), noise('b'), '"small"'] });
  await eventually(async () => expect(await world.counts()).toEqual([1, 1]));
  await batcher.stop();
  expect(await world.counts()).toEqual([1, 1, 1]);
});

function* skewedLines(): Generator<string> {
  const source = skewedEvents(1, 1_000);
  for (let bytes = 0; bytes < 800_000;) {
    const line = source.next().value.replaceAll(/["\\\n]/g, '');
    bytes += line.length;
    yield line;
  }
}
