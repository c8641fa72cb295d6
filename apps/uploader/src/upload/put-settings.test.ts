import { eventually } from '@sink/testing';
import { expect, test } from 'vitest';
import { NOTHING, OTHER_BUCKET, worldOfFile } from '../test/uploader-world.ts';

const world = await worldOfFile();
const KEY_HEADER = 'x-amz-server-side-encryption-aws-kms-key-id';
const kept = async (): Promise<void> => expect(await world.left()).toEqual(NOTHING);
const headersOf = (key: string) => world.s3.requests().findLast((request) => request.key === key)?.headers ?? {};

function refuseKey(id: string): void {
  world.s3.addFault({
    match: ({ headers }) => headers[KEY_HEADER] === id,
    effect: { kind: 'error', status: 400, code: 'KMS.DisabledException', message: `${id} is disabled.` },
  });
}

test('a KMS key that was disabled is replaced in the configuration, and what waited is stored with the new one', async () => {
  refuseKey('old');
  world.liveText = 'sse: aws:kms\nsse_kms_key_id: old';
  const uploader = await world.startUploader();
  const plain = await world.sealAndQueue();
  const routed = await world.sealAndQueue({ routed: {} });
  await eventually(() => expect(uploader.problems()['bucket']).toContain('old'));
  expect(uploader.problems()['bucket']).toMatch(/is disabled/);
  expect((await world.left()).segments).toBe(2);
  world.liveText = 'sse: aws:kms\nsse_kms_key_id: new';
  expect(uploader.reload()).toBe('applied');
  await eventually(kept);
  for (const { record } of [plain, routed]) {
    expect(headersOf(record.key)).toMatchObject({ 'x-amz-server-side-encryption': 'aws:kms', [KEY_HEADER]: 'new' });
  }
});

test('a route is put with its own settings, and a disabled key of one holds no other up', async () => {
  world.liveText = '';
  refuseKey('of-audit');
  const routes = [
    { name: 'audit', sse: 'aws:kms', sse_kms_key_id: 'of-audit', storage_class: 'GLACIER_IR', bucket: OTHER_BUCKET },
    { name: 'rest', acl: 'private' },
  ];
  const config = { routes: JSON.stringify(routes), sse: 'AES256', cache_control: 'no-store' };
  const uploader = await world.startUploader({ config });
  const audit = await world.sealAndQueue({ routed: { route: 'audit', bucket: OTHER_BUCKET } });
  const rest = await world.sealAndQueue({ routed: { route: 'rest' } });
  const plain = await world.sealAndQueue();
  const all = { 'x-amz-server-side-encryption': 'AES256', 'cache-control': 'no-store' };
  await eventually(() => expect(world.s3.object(rest.record.key)).toBeDefined());
  await eventually(() => expect(world.s3.object(plain.record.key)).toBeDefined());
  expect(headersOf(rest.record.key)).toMatchObject({ ...all, 'x-amz-acl': 'private' });
  expect(headersOf(plain.record.key)).toMatchObject(all);
  expect(headersOf(plain.record.key)).not.toHaveProperty('x-amz-acl');
  await eventually(() => expect(uploader.problems()['segments']).toContain('of-audit'));
  expect(headersOf(audit.record.key)).toMatchObject({
    ...{ 'x-amz-server-side-encryption': 'aws:kms', [KEY_HEADER]: 'of-audit', 'x-amz-storage-class': 'GLACIER_IR' },
    'cache-control': 'no-store',
  });
  world.s3.clearFaults();
  await eventually(kept);
});
