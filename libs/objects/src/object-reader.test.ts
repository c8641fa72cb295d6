import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { startS3, temporaryDirectory } from '@sink/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { createObjectReader, type ObjectBucketSettings } from './create-object-store.ts';
import { failureOf, noAbort } from './object-store.conformance.ts';

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** Objects that were stored without an adapter. */
async function s3With(objects: Readonly<Record<string, string>>): Promise<ObjectBucketSettings> {
  const s3 = await startS3({ bucket: 'events', accessKeyId: 'AKIAFAKE', secretAccessKey: 'secret' });
  ends.push(() => s3.stop());
  for (const [key, body] of Object.entries(objects)) s3.plant(key, Buffer.from(body));
  const credentials = { accessKeyId: s3.accessKeyId, secretAccessKey: s3.secretAccessKey };
  return { kind: 's3', name: 'events', endpoint: s3.url, forcePathStyle: true, credentials };
}

async function filesWith(objects: Readonly<Record<string, string>>): Promise<ObjectBucketSettings> {
  const directory = temporaryDirectory('reader');
  for (const [key, body] of Object.entries(objects)) {
    mkdirSync(dirname(join(directory, key)), { recursive: true });
    writeFileSync(join(directory, key), body);
  }
  return { kind: 'file', directory };
}

describe.each([
  ['S3', s3With],
  ['files', filesWith],
])('%s, read', (_, bucketWith) => {
  it('lists what begins with the prefix, in the order of the bytes, page after page', async () => {
    const names = Array.from(
      { length: 2_100 },
      (_, n) => `logs/2026/11/${String(n % 28).padStart(2, '0')}/object-${n}`,
    );
    const others = ['logs-2026/a', 'log', 'logs/2026-11/b', 'logs0/c', '.incoming/half'];
    const reader = createObjectReader(
      await bucketWith(Object.fromEntries([...names, ...others].map((key) => [key, key]))),
    );
    const listed: string[] = [];
    let pages = 0;
    for (let after = ''; ; pages++) {
      const page = await reader.list('logs/', after, noAbort);
      const last = page.at(-1);
      if (last === undefined) break;
      after = last.key;
      expect(page.every(({ key, objectBytes }) => objectBytes === key.length)).toBe(true);
      expect(Math.abs((page[0]?.modifiedMs ?? 0) - Date.now())).toBeLessThan(60_000);
      listed.push(...page.map(({ key }) => key));
    }
    expect(pages).toBe(3);
    expect(listed).toEqual([...names, 'logs/2026-11/b'].sort());
    reader.close();
  });

  it('lists nothing where nothing is', async () => {
    const reader = createObjectReader(await bucketWith({}));
    expect(await reader.list('logs/', '', noAbort)).toEqual([]);
    expect(await reader.get('logs/a', noAbort)).toBeNull();
    reader.close();
  });

  it('reads an object, and says when it may not go on', async () => {
    const reader = createObjectReader(await bucketWith({ 'a/b': 'content' }));
    const pieces = await (await reader.get('a/b', noAbort))?.toArray();
    expect(Buffer.concat((pieces ?? []) as Buffer[]).toString()).toBe('content');
    expect(await failureOf(reader.list('', '', AbortSignal.abort()))).toMatchObject({ code: 'aborted' });
    reader.close();
  });
});

it('an S3 that refuses is asked again a few times by itself', async () => {
  const s3 = await startS3({ bucket: 'events', accessKeyId: 'AKIAFAKE', secretAccessKey: 'secret' });
  ends.push(() => s3.stop());
  s3.plant('a', Buffer.from('x'));
  s3.addFault({ match: {}, effect: { kind: 'error', status: 503, code: 'SlowDown' }, times: 2 });
  const credentials = { accessKeyId: s3.accessKeyId, secretAccessKey: s3.secretAccessKey };
  const reader = createObjectReader({
    kind: 's3',
    name: 'events',
    endpoint: s3.url,
    forcePathStyle: true,
    credentials,
  });
  expect(await reader.list('', '', noAbort)).toHaveLength(1);
  s3.setPermissions('put_only');
  expect(await failureOf(reader.get('a', noAbort))).toMatchObject({
    code: 'access_denied',
    remedy: expect.stringContaining('s3:GetObject') as string,
  });
  reader.close();
});

it.each([
  ['html', '<html><body>Welcome</body></html>'],
  ['text', 'Welcome'],
  ['json', '{"objects":[]}'],
  ['nothing', ''],
])('a server that answers every listing with 200 and %s is no bucket without objects', async (_kind, body) => {
  const s3 = await startS3({ bucket: 'events', accessKeyId: 'AKIAFAKE', secretAccessKey: 'secret' });
  ends.push(() => s3.stop());
  s3.addFault({ effect: { kind: 'raw', status: 200, body, headers: { 'content-type': 'text/html' } } });
  const credentials = { accessKeyId: s3.accessKeyId, secretAccessKey: s3.secretAccessKey };
  const bucket = { kind: 's3', name: 'events', endpoint: s3.url, forcePathStyle: true, credentials } as const;
  const reader = createObjectReader(bucket);
  expect(await failureOf(reader.list('', '', noAbort))).toMatchObject({
    code: 'not_s3',
    remedy: expect.stringContaining('does not seem to be an S3 server') as string,
  });
  reader.close();
});
