import { truncate } from 'node:fs/promises';
import { unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spilledRecord } from '@sink/domain';
import { spoolLease } from '@sink/lane';
import { eventually, temporaryDirectory } from '@sink/testing';
import { describe, expect, test } from 'vitest';
import { NOTHING, OTHER_BUCKET, type SealedSegment, worldOfFile } from '../test/uploader-world.ts';

const world = await worldOfFile();

async function stored({ record, object }: SealedSegment): Promise<void> {
  await eventually(async () => expect(await world.left()).toEqual(NOTHING));
  expect((await world.lane().spilledBacklog()).segments).toBe(0);
  expect(world.s3.object(record.key)?.body.equals(object)).toBe(true);
  await eventually(async () => expect(await world.spoolFiles(record)).toEqual([]));
}

describe('a spilled segment', () => {
  test.each(['none', 'gzip'] as const)('becomes its object, from its file alone (%s)', async (compression) => {
    const segment = await world.spill({ compression });
    expect(await world.left()).toMatchObject({ segments: 0, events: 0, chunks: 0 });
    await world.startUploader();
    await stored(segment);
    const receipts = (await Array.fromAsync(world.lane().receipts())).flat();
    expect(receipts).toMatchObject([{ receipt: { id: segment.record.id, key: segment.record.key, count: 3 } }]);
  });

  test('is tried until S3 is back, and then waits no longer', async () => {
    const fault = world.s3.addFault({
      match: { operation: 'PutObject' },
      effect: { kind: 'error', status: 503, code: 'SlowDown' },
    });
    const segment = await world.spill();
    const uploader = await world.startUploader();
    await eventually(async () =>
      expect(await uploader.metric('sink_uploads_total', { result: 'failed' })).toBeGreaterThan(2),
    );
    expect(await uploader.metric('sink_segments_spilled_waiting')).toBe(1);
    expect(await world.spoolFiles(segment.record)).toEqual([`${segment.record.id}.spilled`]);
    world.s3.removeFault(fault);
    await stored(segment);
  });

  test('whose try died after the PUT is committed, even if its file is gone since', async () => {
    const segment = await world.spill();
    const { key, sha256, id } = segment.record;
    const effect = { kind: 'reset', applied: true } as const;
    const fault = world.s3.addFault({ match: { operation: 'PutObject' }, effect, times: 1 });
    const uploader = await world.startUploader({ times: { retry: { baseMs: 500, capMs: 500, slowMs: 500 } } });
    await eventually(() => expect(world.s3.object(key)).toBeDefined());
    world.s3.removeFault(fault);
    await world.spool.unmark(segment.record.spool, id);
    unlinkSync(world.spoolPath(segment.record));
    await stored(segment);
    expect(world.s3.object(key)?.metadata['content-sha256']).toBe(sha256);
    // The uploader counts it after its last step in Redis.
    await eventually(async () => expect(await uploader.metric('sink_uploads_total', { result: 'existed' })).toBe(1));
  });

  test('that is redirected while its object is put keeps its mark until it is in the new bucket', async () => {
    const match = { operation: 'PutObject' } as const;
    const slow = world.s3.addFault({ match, effect: { kind: 'slow', delayMs: 500 }, times: 1 });
    const { record, object } = await world.spill({ routed: { bucket: OTHER_BUCKET, route: 'audit' } });
    await world.startUploader();
    await eventually(() => world.s3.faultHits(slow) === 1);
    const away = world.s3.addFault({ match, effect: { kind: 'error', status: 503, code: 'SlowDown' } });
    const [found] = (await Array.fromAsync(world.lane().stored())).flat();
    if (found === undefined) throw new Error('it was committed before');
    expect(await world.lane().redirect(found, 'events')).toBe('redirected');
    await eventually(() => world.s3.faultHits(away) > 0);
    expect(await world.spoolFiles(record)).toEqual([`${record.id}.spilled`]);
    world.s3.removeFault(away);
    await stored({ record, object, content: object });
  });

  test('whose file is lost is kept and reported, and is uploaded once the file is back', async () => {
    const segment = await world.spill();
    const other = await world.spill({ chunks: [['{"id":"other"}']] });
    const path = world.spoolPath(segment.record, 'spilled');
    await truncate(path, 5);
    const uploader = await world.startUploader();
    await eventually(() => expect(uploader.problems()['segments']).toContain('there is no sound file'));
    expect(uploader.log()).toContain('bring it back');
    await eventually(() => expect(world.s3.object(other.record.key)).toBeDefined());
    expect(await world.lane().spilledRecord(segment.record.id)).not.toBeNull();
    unlinkSync(path);
    await world.spoolFile(segment.record, segment.content);
    await stored(segment);
    await eventually(() => expect(uploader.problems()).toEqual({}));
  });

  test('whose file is lost does not keep others from the bucket when the credentials may not look for its object', async () => {
    world.s3.setPermissions('put_only');
    const segment = await world.spill();
    unlinkSync(world.spoolPath(segment.record, 'spilled'));
    const uploader = await world.startUploader();
    await eventually(() => expect(uploader.problems()['segments']).toContain('Allow s3:GetObject'));
    expect(uploader.problems()['segments']).toContain('bring it back');
    expect(uploader.problems()).not.toHaveProperty('bucket');
    const other = await world.spill({ chunks: [['{"id":"other"}']] });
    await eventually(() => expect(world.s3.object(other.record.key)).toBeDefined());
  });

  test('on another disk is left to its uploader; where that one is away, it is reported', async () => {
    const segment = await world.spill();
    const elsewhere = spilledRecord(segment.record, 'elsewhere');
    await world.admin.hset(world.lane().keys.spilled, segment.record.id, JSON.stringify(elsewhere));
    await world.lane().takeLease(spoolLease('elsewhere'), 60_000);
    const uploader = await world.startUploader();
    await eventually(async () => expect(await uploader.metric('sink_segments_spilled_waiting')).toBe(1));
    expect(await uploader.metric('sink_segments_spilled_unattended')).toBe(0);
    await world.admin.del(await world.admin.keys('*lease:spool-elsewhere'));
    await eventually(async () => expect(await uploader.metric('sink_segments_spilled_unattended')).toBe(1));
    expect(uploader.log()).toContain('wait for an uploader on the disk that holds them');
    expect(await uploader.metric('sink_uploads_total', { result: 'failed' })).toBe(0);
    expect(await world.spoolFiles(segment.record)).toHaveLength(1);
  });

  test('a segment that is being released while it is uploaded is committed once', async () => {
    const segment = await world.spill();
    await world.queue.add(0, segment.record.id);
    const uploader = await world.startUploader();
    await stored(segment);
    await eventually(async () => expect(await uploader.metric('sink_uploads_total', { result: 'stored' })).toBe(1));
    expect((await Array.fromAsync(world.lane().receipts())).flat()).toHaveLength(1);
  });
});

describe('batchers know that an uploader is on this spool directory', () => {
  test('while one is', async () => {
    const { spoolId } = await world.spill();
    await world.startUploader();
    await eventually(async () => expect(await world.lane().leaseExists(spoolLease(spoolId))).toBe(true));
  });

  test('a spool id that cannot be read ends the start with that message', async () => {
    world.dataDir = temporaryDirectory('uploader');
    await world.seal();
    writeFileSync(join(world.spoolDir, 'spool-id'), '../..');
    await expect(world.startUploader()).rejects.toThrow('no id of a spool');
  });
});
