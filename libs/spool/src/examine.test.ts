import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { RECORD_VERSION, ROUTED_RECORD_VERSION, type SegmentRecord } from '@sink/domain';
import { temporaryDirectory } from '@sink/testing';
import { describe, expect, test } from 'vitest';
import { SpoolDirectory } from './spool-directory.ts';

const CONTENT = Buffer.from('{"id":"1"}\n{"id":"2"}\n');
const SEALED: SegmentRecord = {
  v: RECORD_VERSION,
  id: 's-1',
  key: '2026/11/23/10/eventing-uid-1-0-0-abc.jsonl',
  partition: '2026/11/23/10',
  slices: [['1-0', 0, 2]],
  count: 2,
  bytes: CONTENT.length,
  sha256: createHash('sha256').update(CONTENT).digest('hex'),
  compression: 'none',
  spool: 'b-1',
  acceptedAtMs: 1,
  sealedAtMs: 2,
};

/** A file of segment s-1 in the folder of b-1, whose own record is `record`. */
async function fileWith(record: object): Promise<SpoolDirectory> {
  const spool = new SpoolDirectory(temporaryDirectory('examine'));
  const writer = await spool.instance('b-1').createSegment({ segmentId: 's-1', compression: 'none' });
  await writer.write(CONTENT);
  await writer.finish();
  await writer.seal(JSON.stringify(record));
  return spool;
}

describe('a sound file', () => {
  test('is that of the sealed segment, in both states, in memory or as a stream', async () => {
    const spool = await fileWith(SEALED);
    const sealed = { kind: 'sound', state: 'sealed', record: SEALED, object: { objectBytes: CONTENT.length } };
    expect(await spool.examine('b-1', 's-1', { sealed: SEALED })).toMatchObject(sealed);
    await spool.mark('b-1', 's-1');
    const found = await spool.examine('b-1', 's-1', { sealed: null, inMemoryBytesMax: 100 });
    expect(found).toMatchObject({ ...sealed, state: 'spilled', object: { body: CONTENT } });
    const streamed = await spool.examine('b-1', 's-1', { sealed: SEALED });
    if (streamed.kind !== 'sound' || Buffer.isBuffer(streamed.object.body)) throw new Error('not a stream');
    expect(Buffer.concat(await streamed.object.body().toArray())).toEqual(CONTENT);
  });

  test.each([
    ['id', { id: 's-2' }],
    ['sha256', { sha256: 'ab'.repeat(32) }],
    ['bytes', { bytes: CONTENT.length + 1 }],
    ['compression', { compression: 'gzip' }],
    ['spool', { spool: 'b-2' }],
  ])('has a record of its own that describes its content: not another %s', async (_, other) => {
    const spool = await fileWith({ ...SEALED, ...other });
    expect(await spool.examine('b-1', 's-1', { sealed: null })).toMatchObject({ kind: 'damaged' });
    // Also if Redis said the same.
    const sealed = { ...SEALED, ...other } as SegmentRecord;
    expect(await spool.examine('b-1', 's-1', { sealed })).toMatchObject({ kind: 'damaged' });
  });

  test.each([
    ['id', { id: 's-2' }],
    ['key', { key: 'another' }],
    ['sha256', { sha256: 'ab'.repeat(32) }],
    ['bytes', { bytes: CONTENT.length + 1 }],
    ['compression', { compression: 'gzip' as const }],
    ['spool', { spool: 'b-2' }],
  ])('is of the segment that Redis knows: not one with another %s', async (_, other) => {
    const spool = await fileWith(SEALED);
    const found = await spool.examine('b-1', 's-1', { sealed: { ...SEALED, ...other } });
    expect(found).toMatchObject({ kind: 'damaged', problem: 'its record is not the one that was sealed' });
  });

  test.each([0, 1_000])('has the checksum of its bytes, in memory up to %i bytes', async (inMemoryBytesMax) => {
    const spool = await fileWith(SEALED);
    const path = join(spool.path, 'b-1', 's-1.segment');
    const bytes = readFileSync(path);
    bytes[0] = 0;
    writeFileSync(path, bytes);
    const found = await spool.examine('b-1', 's-1', { sealed: SEALED, inMemoryBytesMax });
    expect(found).toEqual({ kind: 'damaged', problem: 'the checksum of its bytes does not match' });
  });

  test('has a readable record; one of a newer release is left untouched', async () => {
    const damaged = await fileWith({ v: RECORD_VERSION });
    expect(await damaged.examine('b-1', 's-1', { sealed: null })).toMatchObject({ kind: 'damaged' });
    const newer = await fileWith({ ...SEALED, v: ROUTED_RECORD_VERSION + 1 });
    expect(await newer.examine('b-1', 's-1', { sealed: SEALED })).toMatchObject({ kind: 'newer' });
  });

  test('is not one that is missing, open or quarantined', async () => {
    const spool = await fileWith(SEALED);
    expect(await spool.examine('b-1', 's-2', { sealed: null })).toEqual({ kind: 'missing' });
    expect(await spool.examine('b-2', 's-1', { sealed: null })).toEqual({ kind: 'missing' });
    await spool.mark('b-1', 's-1');
    await spool.quarantine('b-1', 's-1');
    expect(await spool.examine('b-1', 's-1', { sealed: SEALED })).toEqual({ kind: 'missing' });
  });

  test('is not one that lies in the folder of another instance', async () => {
    const spool = await fileWith(SEALED);
    await mkdir(join(spool.path, 'b-2'));
    renameSync(join(spool.path, 'b-1', 's-1.segment'), join(spool.path, 'b-2', 's-1.segment'));
    expect(await spool.examine('b-2', 's-1', { sealed: SEALED })).toMatchObject({ kind: 'damaged' });
  });
});
