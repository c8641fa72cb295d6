import { type RoutedReceipt, type RoutedSegment, type Slice } from '@sink/domain';
import { expect, test } from 'vitest';
import { LaneWorld, receiptOf, recordOf } from './test/lane-world.ts';

const world = new LaneWorld();

function routedRecord(id: string, chunk: string): RoutedSegment & { readonly slices: readonly Slice[] } {
  const facts = recordOf(id, [[chunk, 0, 2]]);
  return { ...facts, v: 2, bucket: 'old', route: 'audit', path: 'p', format: 'jsonl', spoolCompression: 'none' };
}

function receiptFor(id: string, bucket: string): RoutedReceipt {
  return { ...receiptOf(id), v: 2, bucket, route: 'audit', path: 'p', checksum: null };
}

async function sealed(): Promise<string> {
  const chunk = await world.append(2);
  await world.read();
  const record = routedRecord('s1', chunk);
  expect((await world.batcher.seal(record, JSON.stringify(record))).kind).toBe('sealed');
  return chunk;
}

async function onlyStored() {
  const [found] = (await Array.fromAsync(world.lane.stored())).flat();
  if (found === undefined) throw new Error('there is no record');
  return found;
}

test('a redirected record differs in its bucket only, and the backlog in what it costs more', async () => {
  await sealed();
  const before = await onlyStored();
  const { bytes } = await world.lane.backlog();
  expect(await world.uploader.redirect(before, 'another-bucket')).toBe('redirected');
  const after = await onlyStored();
  expect(after.record).toEqual({ ...before.record, bucket: 'another-bucket', redirectedFrom: 'old' });
  const cost = (json: string): number => Math.ceil(json.length * 1.25);
  expect((await world.lane.backlog()).bytes - bytes).toBe(cost(after.json) - cost(before.json));
  expect(await world.uploader.redirect(after, 'third')).toBe('redirected');
  expect((await onlyStored()).record).toMatchObject({ bucket: 'third', redirectedFrom: 'old' });
});

test('an object in the earlier bucket does not commit the segment; one in the new bucket does, once', async () => {
  const chunk = await sealed();
  await world.uploader.redirect(await onlyStored(), 'new');
  const before = await world.everything();
  expect(await world.uploader.commit(receiptFor('s1', 'old'), 100)).toBe('redirected');
  expect(await world.everything()).toEqual(before);
  expect(await world.uploader.commit(receiptFor('s1', 'new'), 100)).toBe('committed');
  expect(await world.uploader.commit(receiptFor('s1', 'old'), 100)).toBe('gone');
  expect((await world.lane.entry(chunk)).kind).toBe('deleted');
  expect((await Array.fromAsync(world.lane.receipts())).flat()).toMatchObject([{ receipt: { bucket: 'new' } }]);
});

test('invariant 5: a redirect of a record that was committed, or is another one by now, changes nothing', async () => {
  await sealed();
  const read = await onlyStored();
  expect(await world.uploader.redirect(read, 'new')).toBe('redirected');
  const before = await world.everything();
  expect(await world.uploader.redirect(read, 'third')).toBe('changed');
  expect(await world.everything()).toEqual(before);
  await world.uploader.commit(receiptFor('s1', 'new'), 100);
  expect(await world.uploader.redirect(read, 'third')).toBe('gone');
});

test('a spilled segment is redirected, too', async () => {
  await sealed();
  const { record } = await onlyStored();
  if (!('slices' in record)) throw new Error('it is spilled already');
  expect(await world.batcher.release(record, 'spool-1')).toBe('released');
  expect(await world.uploader.redirect(await onlyStored(), 'new')).toBe('redirected');
  expect(await world.lane.spilledRecord('s1')).toMatchObject({ bucket: 'new', spoolId: 'spool-1' });
  expect(await world.uploader.commit(receiptFor('s1', 'new'), 100)).toBe('committed');
});

test('a release that read the record before a redirect changes nothing: it would undo the redirect', async () => {
  await sealed();
  const { record } = await onlyStored();
  if (!('slices' in record)) throw new Error('it is spilled already');
  await world.uploader.redirect(await onlyStored(), 'new');
  const before = await world.everything();
  expect(await world.batcher.release(record, 'spool-1')).toBe('changed');
  expect(await world.everything()).toEqual(before);
});
