import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { crc32, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ObjectStore, ObjectToPut } from './object-store.ts';
import { ObjectStoreError } from './object-store-error.ts';

/** An adapter, and access to the store behind it. */
export interface StoreHarness {
  readonly store: ObjectStore;
  /** The bytes under a key, by other means than the adapter; null when nothing is there. */
  read(key: string): Promise<Buffer | null>;
  /** All keys, and whatever else a user could take for an object. */
  keys(): Promise<string[]>;
  /** Stores an object that another program wrote. */
  plant(key: string, body: Buffer): Promise<void>;
  close(): Promise<void>;
}

/** An object to put, from its content; `encoded` is what goes over the wire when that is not the content itself. */
export function anObject(content: string | Buffer, encoded: Buffer = Buffer.from(content)): ObjectToPut {
  const contentHash = createHash('sha256').update(content).digest('hex');
  return {
    key: `logs/2026/11/23/22/eventing-lane-1-0-${contentHash.slice(0, 32)}.ndjson`,
    body: encoded,
    objectBytes: encoded.length,
    crc32: crc32(encoded),
    contentType: 'application/x-ndjson',
    contentHash,
    segmentId: 'segment-1',
  };
}

export const noAbort: AbortSignal = new AbortController().signal;

/** What a promise of a store is rejected with. */
export async function failureOf(promise: Promise<unknown>): Promise<ObjectStoreError> {
  const outcome: unknown = await promise.then(
    () => new Error('it succeeded'),
    (error: unknown) => error,
  );
  if (outcome instanceof ObjectStoreError) return outcome;
  throw outcome;
}

/** What every ObjectStore has to do; each adapter runs it. */
export function objectStoreConformance(name: string, start: () => Promise<StoreHarness>): void {
  describe(`${name} as an object store`, () => {
    let harness: StoreHarness;
    beforeEach(async () => {
      harness = await start();
    });
    afterEach(async () => {
      harness.store.close();
      await harness.close();
    });

    it('stores a buffer byte for byte', async () => {
      const object = anObject('{"id":"1"}\n{"id":"2"}\n');
      const put = await harness.store.put(object, noAbort);
      expect(put.existed).toBe(false);
      expect(put.etag).toMatch(/^".+"$/);
      expect((await harness.read(object.key))?.toString()).toBe('{"id":"1"}\n{"id":"2"}\n');
      expect(await harness.keys()).toEqual([object.key]);
    });

    it('finds the content it stored under a key, and nothing else', async () => {
      const object = anObject('{"id":"1"}\n');
      const find = (key: string, hash: string) => harness.store.find(key, hash, noAbort);
      expect(await find(object.key, object.contentHash)).toBeNull();
      const { etag } = await harness.store.put(object, noAbort);
      expect(await find(object.key, object.contentHash)).toEqual({ etag, objectBytes: object.objectBytes });
      expect(await find(object.key, 'ab'.repeat(32))).toBeNull();
      await harness.plant('foreign', Buffer.from('x'));
      expect(await find('foreign', object.contentHash)).toBeNull();
    });

    it('stores a stream of many pieces byte for byte and closes it', async () => {
      const content = Buffer.alloc(3_000_000, '{"id":"0123456789"}\n');
      const source = Readable.from(pieces(content, 65_536));
      const object = { ...anObject(content), body: () => source };
      await harness.store.put(object, noAbort);
      expect((await harness.read(object.key))?.equals(content)).toBe(true);
      expect(source.destroyed).toBe(true);
    });

    it('takes keys with characters that URLs and signatures have to escape', async () => {
      const object = { ...anObject('x\n'), key: "a b/ü+%25/(1)*'!=&?#:@,~_.ndjson" };
      await harness.store.put(object, noAbort);
      expect((await harness.read(object.key))?.toString()).toBe('x\n');
    });

    it('stores an empty object', async () => {
      const object = anObject('');
      await harness.store.put(object, noAbort);
      expect((await harness.read(object.key))?.length).toBe(0);
    });

    it('invariant 5: putting the same object again is a success that says it existed', async () => {
      const object = anObject('{"id":"1"}\n');
      const first = await harness.store.put(object, noAbort);
      const second = await harness.store.put({ ...object, segmentId: 'segment-2' }, noAbort);
      expect(second).toEqual({ etag: first.etag, existed: true });
    });

    it('takes tags and metadata, and says the size of an object that existed when it is asked', async () => {
      const object = { ...anObject('{"id":"1"}\n'), tags: { team: 'x' }, metadata: { m: '1' }, describe: true };
      const { etag } = await harness.store.put(object, noAbort);
      const again = await harness.store.put(object, noAbort);
      expect(again).toMatchObject({ etag, existed: true, found: { objectBytes: object.objectBytes } });
    });

    it.each([
      ['gzip', gzipSync('{"id":"1"}\n', { level: 1 }), gzipSync('{"id":"1"}\n', { level: 9 })],
      [
        'zstd',
        zstdCompressSync('{"id":"1"}\n'),
        Buffer.concat([zstdCompressSync('{"id":'), zstdCompressSync('"1"}\n')]),
      ],
    ])('same content in other %s bytes (another library version) is the same object', async (_name, before, after) => {
      const first = anObject('{"id":"1"}\n', before);
      await harness.store.put(first, noAbort);
      expect((await harness.store.put(anObject('{"id":"1"}\n', after), noAbort)).existed).toBe(true);
      expect((await harness.read(first.key))?.equals(before)).toBe(true);
    });

    it('invariant 3: an object with other content is never overwritten', async () => {
      const object = anObject('{"id":"1"}\n');
      await harness.plant(object.key, Buffer.from('other content'));
      const error = await failureOf(harness.store.put(object, noAbort));
      expect(error).toMatchObject({ code: 'key_taken', kind: 'operator', retryable: true });
      expect(error.remedy).toBeTruthy();
      expect(error.message).toMatch(/^putting object \[bucket=.+, key=logs\/.+\]: /);
      expect((await harness.read(object.key))?.toString()).toBe('other content');
    });

    it('two attempts at once leave one object', async () => {
      const object = anObject('{"id":"1"}\n');
      const puts = await Promise.all([1, 2, 3, 4].map(() => harness.store.put(object, noAbort)));
      expect(puts.filter(({ existed }) => !existed)).toHaveLength(1);
      expect(await harness.keys()).toEqual([object.key]);
    });

    it.each([
      ['shorter than announced', (body: Buffer) => body.subarray(0, -1)],
      ['longer than announced', (body: Buffer) => Buffer.concat([body, Buffer.from('x')])],
      ['of the right length with a bit changed', flipLastBit],
      ['empty', () => Buffer.alloc(0)],
    ])('a stream that is %s never becomes an object', async (_name, change) => {
      const content = Buffer.alloc(200_000, 'abc\n');
      const body = (): Readable => Readable.from(pieces(change(content), 65_536));
      const error = await failureOf(harness.store.put({ ...anObject(content), body }, noAbort));
      expect(error).toMatchObject({ code: 'body_damaged', kind: 'damaged', retryable: false });
      expect(await harness.keys()).toEqual([]);
    });

    it('a buffer with a bit changed never becomes an object', async () => {
      const object = anObject('{"id":"1"}\n');
      const error = await failureOf(
        harness.store.put({ ...object, body: flipLastBit(Buffer.from('{"id":"1"}\n')) }, noAbort),
      );
      expect(error).toMatchObject({ code: 'body_damaged', kind: 'damaged' });
      expect(await harness.keys()).toEqual([]);
    });

    it('a stream that fails never becomes an object, and the error has the reason', async () => {
      const body = (): Readable =>
        Readable.from(
          (async function* () {
            yield Buffer.alloc(100_000);
            throw Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' });
          })(),
        );
      const error = await failureOf(harness.store.put({ ...anObject(Buffer.alloc(200_000)), body }, noAbort));
      expect(error).toMatchObject({ code: 'body_unreadable', kind: 'damaged' });
      expect(error.message).toContain('EIO');
      expect(await harness.keys()).toEqual([]);
    });

    it('a body that cannot be opened has an error of its own', async () => {
      const body = (): Readable => {
        throw new Error('no such file');
      };
      const error = await failureOf(harness.store.put({ ...anObject('x'), body }, noAbort));
      expect(error).toMatchObject({ code: 'body_unreadable', kind: 'damaged' });
    });

    it('an aborted call does nothing, and can be made again', async () => {
      const object = anObject('{"id":"1"}\n');
      const error = await failureOf(harness.store.put(object, AbortSignal.abort()));
      expect(error).toMatchObject({ code: 'aborted', kind: 'transient', retryable: true });
      expect(await harness.keys()).toEqual([]);
      expect((await harness.store.put(object, noAbort)).existed).toBe(false);
    });

    it('a body that stops coming ends with the deadline, its stream closed and nothing stored', async () => {
      const source = new Readable({ read: () => undefined });
      source.push(Buffer.alloc(10));
      const object = { ...anObject(Buffer.alloc(20)), body: () => source };
      const error = await failureOf(harness.store.put(object, AbortSignal.timeout(100)));
      expect(error).toMatchObject({ code: 'timeout', kind: 'transient' });
      expect(source.destroyed).toBe(true);
      expect(await harness.keys()).toEqual([]);
    });

    it('check leaves nothing behind, before and after there are objects', async () => {
      expect((await harness.store.check(noAbort)).warnings).toEqual([]);
      expect(await harness.keys()).toEqual([]);
      const object = anObject('{"id":"1"}\n');
      await harness.store.put(object, noAbort);
      await harness.store.check(noAbort);
      expect(await harness.keys()).toEqual([object.key]);
    });
  });
}

function* pieces(content: Buffer, bytes: number): Generator<Buffer> {
  for (let at = 0; at < content.length; at += bytes) yield content.subarray(at, at + bytes);
}

function flipLastBit(body: Buffer): Buffer {
  const changed = Buffer.from(body);
  const last = changed.length - 1;
  changed.writeUInt8(changed.readUInt8(last) ^ 1, last);
  return changed;
}
