import { eventually } from '@sink/testing';
import { expect, test } from 'vitest';
import { NOTHING, worldOfFile } from '../test/uploader-world.ts';

const world = await worldOfFile();
const DAY_MS = 86_400_000;
const quiet = async (): Promise<void> => expect(await world.left()).toEqual(NOTHING);
/** 11 MB, more than is read into memory at once. */
const chunks = Array.from({ length: 12 }, (_, index) => [JSON.stringify({ id: index, data: 'x'.repeat(900_000) })]);
const config = { multipart_above: '5MiB' };

test.each([
  ['from its file', true],
  ['made again from its chunks', false],
])('a large object %s is put in parts', async (_, file) => {
  await world.startUploader({ config });
  const { record, object } = await world.sealAndQueue({ chunks, file });
  await eventually(quiet);
  expect(world.s3.object(record.key)?.body.equals(object)).toBe(true);
  const operations = world.s3.requests().map(({ operation }) => operation);
  expect(operations.filter((operation) => operation === 'UploadPart')).toHaveLength(2);
});

test('an upload that ended in the middle is aborted after a day, unless another program began it', async () => {
  await world.startUploader({ config, times: { tidyEveryMs: 20, sweepEveryMs: 20 } });
  const { record } = await world.sealAndQueue({ chunks });
  await eventually(quiet);
  const other = record.key.replace(/eventing-[^-]+/, 'eventing-another');
  const [old, young] = [`${record.key}.gz`, `${record.key}.zst`];
  // The list has it before ours: when ours is gone, all were judged.
  world.s3.plantUpload(other, Date.now() - 2 * DAY_MS);
  world.s3.plantUpload(young, Date.now() - DAY_MS / 2);
  world.s3.plantUpload(old, Date.now() - 2 * DAY_MS);
  await eventually(() => expect(world.s3.uploads()).not.toContain(old));
  expect(world.s3.uploads()).toEqual([other, young]);
});
