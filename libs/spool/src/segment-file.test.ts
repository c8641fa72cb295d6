import { temporaryDirectory } from '@sink/testing';
import fc from 'fast-check';
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { encodeFooter } from './segment-format.ts';
import { SpoolError } from './spool-error.ts';
import { openSegment, openSpool } from './test/open-spool.ts';

const directory = temporaryDirectory('spool');
const path = join(directory, 'batcher-1', 'segment-1.segment');
const reopen = (): ReturnType<typeof openSegment> => openSegment(directory, 'batcher-1', 'segment-1');

/** A sealed file of some 500 bytes. */
async function sealedBytes(): Promise<Buffer> {
  rmSync(path, { force: true });
  const spool = await openSpool(directory, 'batcher-1');
  const writer = await spool.createSegment({ segmentId: 'segment-1', compression: 'none' });
  await writer.write(Buffer.from('{"id":"1"}\n{"id":"2"}\n'));
  await writer.finish();
  await writer.seal('{"v":1,"key":"2026/11/eventing"}');
  const file = await reopen();
  const bytes = readFileSync(path);
  await file?.remove();
  return bytes;
}

/** Object, footer and trailer, as sound as a forger can make them. */
function forged(footer: object | string | number | null | undefined, object = Buffer.from('{}\n')): Buffer {
  const json = Buffer.from(footer === undefined ? '' : JSON.stringify(footer));
  const numbers = Buffer.alloc(8);
  numbers.writeUInt32LE(json.length, 0);
  numbers.writeUInt32LE(crc32(json), 4);
  return Buffer.concat([object, json, numbers, Buffer.from('SINKSEG\n')]);
}

const sound = {
  v: 1,
  segmentId: 'segment-1',
  compression: 'none',
  contentBytes: 3,
  sha256: 'ab'.repeat(32),
  objectBytes: 3,
  crc32: crc32('{}\n'),
  record: '{}',
};

describe('a segment file', () => {
  test('cut off at any byte is damaged', async () => {
    const bytes = await sealedBytes();
    for (let length = 0; length < bytes.length; length++) {
      writeFileSync(path, bytes.subarray(0, length));
      await expect(reopen(), `${length} of ${bytes.length} bytes`).rejects.toMatchObject({ code: 'segment_damaged' });
    }
  });

  test('with any bit changed is refused, or does not verify', async () => {
    const bytes = await sealedBytes();
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      writeFileSync(path, changed);
      const noticed = await reopen().then(
        async (file) => !(await file?.verify()),
        (error: unknown) => error instanceof SpoolError && error.code === 'segment_damaged',
      );
      expect(noticed, `bit ${bit}`).toBe(true);
    }
  });

  test('with bytes added in front, behind or in the middle is damaged', async () => {
    const bytes = await sealedBytes();
    for (const at of [0, 5, bytes.length - 30, bytes.length]) {
      writeFileSync(path, Buffer.concat([bytes.subarray(0, at), Buffer.from('x'), bytes.subarray(at)]));
      await expect(reopen()).rejects.toMatchObject({ code: 'segment_damaged' });
    }
  });

  test('of a newer release is refused by name and left as it is', async () => {
    const bytes = forged({ v: 2, anything: 'else' });
    writeFileSync(path, bytes);
    await expect(reopen()).rejects.toMatchObject({ code: 'segment_version', retryable: false });
    expect(readFileSync(path).equals(bytes)).toBe(true);
  });

  test('with further fields in its footer is read', async () => {
    writeFileSync(path, forged({ ...sound, added: { later: true } }));
    expect(await (await reopen())?.verify()).toBe(true);
  });

  test('with a forged footer is damaged, whatever is wrong with it', async () => {
    const wrong = [-1, 1.5, 2 ** 53, Number.MAX_VALUE, '3', null, true, [], {}, 'x', '../../etc/passwd', undefined];
    for (const field of Object.keys(sound)) {
      for (const value of wrong) {
        if (field === 'record' && typeof value === 'string') continue;
        if (field === 'contentBytes' && value === 3) continue;
        if (field === 'v' && typeof value === 'number' && Number.isInteger(value) && value > 1) continue;
        writeFileSync(path, forged({ ...sound, [field]: value }));
        await expect(reopen(), `${field}: ${JSON.stringify(value)}`).rejects.toMatchObject({
          code: 'segment_damaged',
        });
      }
    }
    for (const footer of [null, [], 'text', 1, undefined, [sound]]) {
      writeFileSync(path, forged(footer));
      await expect(reopen()).rejects.toMatchObject({ code: 'segment_damaged' });
    }
  });

  test('that is another kind of file only fails with a clear error', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 200 }),
        fc.oneof(fc.object(), fc.string(), fc.integer()),
        async (bytes, footer) => {
          for (const content of [bytes, forged(footer, Buffer.from(bytes))]) {
            writeFileSync(path, content);
            const error = await reopen().then(
              () => null,
              (reason: unknown) => reason,
            );
            expect(error).toBeInstanceOf(SpoolError);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  test('a trailer that claims a huge footer makes us read nothing', async () => {
    const bytes = await sealedBytes();
    for (const claimed of [bytes.length - 15, 17 * 1024 * 1024, 0xffff_ffff]) {
      bytes.writeUInt32LE(claimed, bytes.length - 16);
      writeFileSync(path, bytes);
      await expect(reopen()).rejects.toMatchObject({ code: 'segment_damaged' });
    }
  });

  test('that shrinks or vanishes after it was opened fails its readers', async () => {
    writeFileSync(path, await sealedBytes());
    const file = await reopen();
    if (!file) throw new Error('not found');
    truncateSync(path, 10);
    await expect(file.read()).rejects.toMatchObject({ code: 'segment_damaged' });
    await expect(file.verify()).rejects.toMatchObject({ code: 'segment_damaged' });
    await expect(file.stream().toArray()).rejects.toMatchObject({ code: 'segment_damaged' });
    await file.remove();
    await expect(file.stream().toArray()).rejects.toMatchObject({ code: 'spool_gone' });
  });

  test('a stream that is abandoned closes its file', async () => {
    const large = Buffer.alloc(3_000_000, 'x');
    const footer = { ...sound, compression: 'none' as const, objectBytes: large.length, crc32: crc32(large) };
    writeFileSync(path, Buffer.concat([large, encodeFooter(footer, 'test')]));
    const file = await reopen();
    const stream = file?.stream();
    if (!stream) throw new Error('not found');
    await stream[Symbol.asyncIterator]().next();
    const openFiles = async (): Promise<string> => {
      const { readdir, readlink } = await import('node:fs/promises');
      const names = await readdir('/proc/self/fd').catch(() => []);
      return (await Promise.all(names.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')))).join(' ');
    };
    stream.destroy();
    await expect.poll(openFiles).not.toContain('segment-1.segment');
    expect(await file?.verify()).toBe(true);
  });

  test('names that lead elsewhere are refused', async () => {
    await mkdir(join(directory, 'x'), { recursive: true });
    for (const name of ['', '.', '..', '../x', 'a/b', 'a\0b', 'ä', 'a'.repeat(129)]) {
      await expect(openSegment(directory, 'batcher-1', name)).rejects.toMatchObject({ code: 'bad_name' });
      await expect(openSegment(directory, name, 'segment-1')).rejects.toMatchObject({ code: 'bad_name' });
    }
  });
});
