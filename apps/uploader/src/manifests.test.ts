import { eventually } from '@sink/testing';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { UploaderWorld } from './test/uploader-world.ts';

let world: UploaderWorld;
beforeAll(async () => {
  world = await UploaderWorld.start();
});
afterEach(() => world.reset());
afterAll(() => world.stop());

const ON = { config: { manifests: true } };
const MANIFEST = /^2026\/11\/23\/10\/_manifest-[0-9a-f]+-[0-9a-f]{32}\.json$/;

interface Listed {
  readonly objects: readonly { key: string; count: number; sha256: string }[];
}

function manifests(): { key: string; manifest: Listed }[] {
  return world.s3
    .objects()
    .filter(({ key }) => MANIFEST.test(key))
    .map(({ key, body }) => ({ key, manifest: JSON.parse(body.toString()) as Listed }));
}

const listedKeys = (): string[] => manifests().flatMap(({ manifest }) => manifest.objects.map(({ key }) => key));
const nothingWaits = async (): Promise<void> => expect(await world.admin.keys('*unlisted*')).toEqual([]);

describe('manifests', () => {
  test('list every object of a partition that is over, once, with what its receipt says', async () => {
    const sealed = [await world.sealAndQueue(), await world.sealAndQueue({ chunks: [['{"id":"4"}']] })];
    await world.startUploader(ON);
    await eventually(() => expect(listedKeys()).toHaveLength(2));
    await eventually(nothingWaits);
    expect(listedKeys().sort()).toEqual(sealed.map(({ record }) => record.key).sort());
    const entries = manifests().flatMap(({ manifest }) => manifest.objects);
    for (const { record } of sealed) {
      const { key, count, bytes, sha256 } = record;
      expect(entries).toContainEqual(expect.objectContaining({ key, count, bytes, sha256 }));
    }
  });

  test('are not written unless asked for', async () => {
    await world.sealAndQueue();
    const uploader = await world.startUploader();
    await eventually(() => expect(world.s3.objects()).toHaveLength(1));
    await uploader.stop();
    expect(manifests()).toEqual([]);
    await nothingWaits();
  });

  test('list what comes late in a further one, which lists nothing else', async () => {
    await world.sealAndQueue();
    await world.startUploader(ON);
    await eventually(() => expect(manifests()).toHaveLength(1));
    const late = await world.sealAndQueue({ chunks: [['{"id":"late"}']] });
    await eventually(() => expect(manifests()).toHaveLength(2));
    await eventually(nothingWaits);
    expect(new Set(listedKeys()).size).toBe(listedKeys().length);
    expect(listedKeys()).toContain(late.record.key);
  });

  test('wait while a chunk that was appended before the end of their partition is not in the bucket', async () => {
    const lane = world.lane();
    await lane.open('abcd');
    await world.admin.xadd(lane.keys.chunks, '1-1', 'v', '1');
    await lane.read('somebody', 1, 0);
    await world.sealAndQueue();
    const uploader = await world.startUploader(ON);
    await eventually(() => uploader.metric('sink_objects_unlisted').then((objects) => objects === 1));
    expect(manifests()).toEqual([]);
    await world.admin.xdel(lane.keys.chunks, '1-1');
    await eventually(() => expect(listedKeys()).toHaveLength(1));
  });

  test('invariants 3 and 5: a PUT whose answer was lost, and an uploader that died after it, lead to the same object', async () => {
    world.s3.addFault({
      match: { operation: 'PutObject', keyPattern: '_manifest' },
      effect: { kind: 'hang', applied: true },
      times: 1,
    });
    await world.sealAndQueue();
    const dead = await world.startUploader(ON);
    await eventually(() => expect(manifests()).toHaveLength(1));
    await dead.stop();
    expect(await world.admin.keys('*unlisted*')).not.toEqual([]);
    await world.sealAndQueue({ chunks: [['{"id":"late"}']] });
    const next = await world.startUploader(ON);
    await eventually(() => expect(manifests()).toHaveLength(2));
    await eventually(nothingWaits);
    expect(await next.metric('sink_manifests_total', { result: 'existed' })).toBe(1);
    expect(new Set(listedKeys()).size).toBe(2);
    expect(listedKeys()).toHaveLength(2);
  });

  test('two uploaders at once write the same ones', async () => {
    await Promise.all([world.startUploader(ON), world.startUploader(ON)]);
    for (let n = 0; n < 20; n++) await world.sealAndQueue({ chunks: [[`{"id":"n${n}"}`]] });
    await eventually(() => expect(new Set(listedKeys()).size).toBe(20), { timeoutMs: 15_000 });
    await eventually(nothingWaits);
    expect(listedKeys()).toHaveLength(20);
  });

  test('what was put aside is listed also after manifests were switched off', async () => {
    world.s3.addFault({
      match: { operation: 'PutObject', keyPattern: '_manifest' },
      effect: { kind: 'error', status: 500, code: 'InternalError' },
      times: 1,
    });
    await world.sealAndQueue();
    const on = await world.startUploader({ ...ON, times: { sweepEveryMs: 60_000 } });
    await eventually(() => expect(world.s3.objects()).toHaveLength(1));
    await on.stop();
    await world.startUploader();
    await eventually(() => expect(listedKeys()).toHaveLength(1));
    await eventually(nothingWaits);
  });
});
