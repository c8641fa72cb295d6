import { eventually } from '@sink/testing';
import { expect, test } from 'vitest';
import { BatcherWorld, PARTITION } from '../test/batcher-world.ts';

const world = new BatcherWorld();

/** Appends one event and waits until it is in an open file. */
async function openFile(batcher: { readonly openPaths: () => number }): Promise<void> {
  await world.append(1);
  await eventually(() => expect(batcher.openPaths()).toBe(1));
}

/** What was appended before is in its file when a chunk after it has one. */
async function filled(batcher: { readonly openPaths: () => number }): Promise<void> {
  await world.append(1, { partition: '2026/11/23/12' });
  await eventually(() => expect(batcher.openPaths()).toBe(2));
}

test('a lower flush_size closes a file that has more events already, and limits the next ones', async () => {
  const batcher = world.batcher({ flushSize: 100 });
  await world.append(8);
  await filled(batcher);
  batcher.change({ flushSize: 5 });
  await eventually(async () => expect(await world.counts()).toEqual([8]));
  await world.append(10);
  await eventually(async () => expect(await world.counts()).toEqual([8, 5, 5]));
  batcher.change({ flushSize: 6 });
  await world.append(6);
  await eventually(async () => expect(await world.counts()).toEqual([8, 5, 5, 6]));
  await batcher.stop();
  expect(await world.sealedEvents()).toEqual(world.everyEvent);
});

test('a lower flush_bytes does the same', async () => {
  const batcher = world.batcher({ flushBytes: 1_000 });
  await world.append(3, { lines: ['a'.repeat(30), 'b'.repeat(30), 'c'.repeat(30)] });
  await filled(batcher);
  batcher.change({ flushBytes: 62 });
  await eventually(async () => expect(await world.counts()).toEqual([3]));
  await world.append(2, { lines: ['d'.repeat(30), 'e'.repeat(30)] });
  await eventually(async () => expect(await world.counts()).toEqual([3, 2]));
  await batcher.stop();
});

test('the interval in force counts for files that are open, too', async () => {
  const batcher = world.batcher({ scheduledIntervalMs: 600_000 });
  await openFile(batcher);
  world.clock.pass(61_000);
  batcher.change({ scheduledIntervalMs: 60_000 });
  await eventually(async () => expect(await world.counts()).toEqual([1]));

  await openFile(batcher);
  batcher.change({ scheduledIntervalMs: 600_000 });
  world.clock.pass(61_000);
  await world.append(1);
  await eventually(async () => expect(await world.pending()).toBe(2));
  expect(await world.counts()).toEqual([1]);
  await batcher.stop();
});

test('a lower max_open_files closes as many files as there are too many', async () => {
  const batcher = world.batcher({ openFilesMax: 8, pathInMemoryBytesMax: 0 });
  for (let hour = 10; hour < 15; hour++) await world.append(1, { partition: `2026/11/23/${hour}` });
  await eventually(() => expect(batcher.openFiles()).toBe(5));
  batcher.change({ openFilesMax: 2 });
  await world.append(1, { partition: '2026/11/23/15' });
  await eventually(async () => expect(await world.counts()).toEqual([1, 1, 1, 1]));
  expect(batcher.openFiles()).toBe(2);
  await batcher.stop();
});

test('a file keeps the compression with which it was opened, in its record and its key', async () => {
  const batcher = world.batcher({ compression: 'gzip', compressionLevel: 9 });
  await openFile(batcher);
  batcher.change({ compression: 'none', compressionLevel: undefined });
  batcher.closeEarly();
  await eventually(async () => expect(await world.counts()).toEqual([1]));
  const [first] = await world.records();
  expect(first).toMatchObject({ compression: 'gzip', compressionLevel: 9, partition: PARTITION });
  expect(first?.key).toMatch(/\.ndjson\.gz$/);

  await openFile(batcher);
  await batcher.stop();
  const second = (await world.records()).find(({ id }) => id !== first?.id);
  expect(second?.compression).toBe('none');
  expect(second?.key).toMatch(/\.ndjson$/);
});
