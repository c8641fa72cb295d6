import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { eventually } from '@sink/testing';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { UploaderWorld } from '../test/uploader-world.ts';

const PROBE = '_sink-aws-s3-check';
const times = { trial: { startMs: 100, timeoutMs: 5_000, baseMs: 20, capMs: 100 } };

let world: UploaderWorld;
beforeAll(async () => {
  world = await UploaderWorld.start();
});
afterEach(() => world.reset());
afterAll(() => world.stop());

describe('the bucket is tried at start', () => {
  test('with one PUT of a probe that the store refuses, and nothing that needs another permission', async () => {
    world.s3.setPermissions('put_only');
    const uploader = await world.startUploader({ times });
    await eventually(() => expect(uploader.problems()).toEqual({}));
    expect(world.s3.requests().map(({ operation, key }) => [operation, key])).toEqual([['PutObject', PROBE]]);
    expect(world.s3.objects()).toEqual([]);
  });

  test('an uploader without its bucket is not ready, says why, and is ready once the bucket is there', async () => {
    world.s3.setBucketExists(false);
    const uploader = await world.startUploader({ times });
    await eventually(() => expect(uploader.problems()['bucket']).toContain('Create the bucket events'));
    expect(uploader.log()).toContain('404 NoSuchBucket');
    expect(await uploader.metric('sink_uploads_parked')).toBe(0);
    world.s3.setBucketExists(true);
    await eventually(() => expect(uploader.problems()).toEqual({}));
  });

  test('a store that is away makes it unready too, until it answers', async () => {
    const away = world.s3.addFault({ effect: { kind: 'reset' } });
    const uploader = await world.startUploader({ times });
    await eventually(() => expect(uploader.problems()['bucket']).toMatch(/ECONNRESET|socket hang up|aborted/));
    world.s3.removeFault(away);
    await eventually(() => expect(uploader.problems()).toEqual({}));
  });

  test('an upload that succeeds proves more than the probe, which a policy may not allow', async () => {
    const denied = { kind: 'error', status: 403, code: 'AccessDenied' } as const;
    world.s3.addFault({ match: { key: PROBE }, effect: denied });
    const uploader = await world.startUploader({ times });
    await eventually(() => expect(uploader.problems()['bucket']).toContain('s3:PutObject'));
    const { record } = await world.sealAndQueue();
    await eventually(() => expect(world.s3.object(record.key)).toBeDefined());
    await eventually(() => expect(uploader.problems()).toEqual({}));
    const probes = world.s3.requests().filter(({ key }) => key === PROBE).length;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(world.s3.requests().filter(({ key }) => key === PROBE).length).toBeLessThanOrEqual(probes + 1);
  });

  test('a trial that ends well hides no problem that uploads have', async () => {
    world.s3.addFault({ match: { key: PROBE }, effect: { kind: 'slow', delayMs: 500 } });
    const denied = { kind: 'error', status: 403, code: 'KMS.DisabledException' } as const;
    world.s3.addFault({ match: { operation: 'PutObject', keyPattern: 'eventing-' }, effect: denied });
    const uploader = await world.startUploader({
      times: { ...times, retry: { baseMs: 60_000, capMs: 60_000, slowMs: 60_000 } },
    });
    await world.sealAndQueue();
    await eventually(() => expect(uploader.problems()['bucket']).toContain('Enable the KMS key'));
    await eventually(() =>
      expect(world.s3.requests().some(({ key, status }) => key === PROBE && status === 400)).toBe(true),
    );
    expect(uploader.problems()['bucket']).toContain('Enable the KMS key');
  });

  test('the start waits for the first answer, so that it is known when the sink announces itself', async () => {
    world.s3.setBucketExists(false);
    const uploader = await world.startUploader({ times: { trial: { ...times.trial, startMs: 10_000 } } });
    expect(uploader.problems()['bucket']).toContain('NoSuchBucket');
  });

  test('a store that hangs does not keep it from stopping', async () => {
    world.s3.addFault({ effect: { kind: 'hang' } });
    const uploader = await world.startUploader({ times: { trial: { ...times.trial, timeoutMs: 60_000 } } });
    await eventually(() => expect(world.s3.requests()).toHaveLength(1));
    await uploader.stop();
  });

  test('what is odd about the store is in the log once', async () => {
    const careless = createServer((request, response) => {
      request.resume().on('end', () => response.setHeader('etag', '"1"').end());
    });
    await new Promise<void>((resolve) => careless.listen(0, '127.0.0.1', resolve));
    const endpoint = `http://127.0.0.1:${(careless.address() as AddressInfo).port}`;
    const uploader = await world.startUploader({ times, config: { endpoint } });
    await eventually(() => expect(uploader.problems()).toEqual({}));
    expect(uploader.log().match(/does not verify checksums/g)).toHaveLength(1);
    careless.close().closeAllConnections();
  });
});
