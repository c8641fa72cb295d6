import { type FakeS3, startS3 } from '@sink/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createObjectReader, createObjectStore } from './create-object-store.ts';
import { IAM_USES, type IamPolicy, iamPolicy, type IamUse } from './iam-policy.ts';
import { anObject, noAbort } from './object-store.conformance.ts';
import type { ObjectReader, ObjectStore } from './object-store.ts';
import type { S3BucketSettings } from './s3-client.ts';

const KEYS = { bucket: 'mybucket', accessKeyId: 'AKIAFAKE', secretAccessKey: 'secret' };
const PREFIX = 'logs/';
const QUARANTINE = 'bad/';
/** HEAD has no body that says why. */
const REFUSED = /: 403 (AccessDenied|Unknown)/;
const OBJECT = anObject('{"id":"1"}\n');

/** A store that judges each request by a policy. */
describe('under the IAM policy', () => {
  let s3: FakeS3;
  let bucket: S3BucketSettings;
  let store: ObjectStore;
  let reader: ObjectReader;
  beforeAll(async () => {
    s3 = await startS3(KEYS);
    bucket = { kind: 's3', name: s3.bucket, endpoint: s3.url, forcePathStyle: true, credentials: KEYS };
    store = createObjectStore(bucket, { ifNoneMatch: 'auto', prefix: PREFIX });
    reader = createObjectReader(bucket);
  });
  beforeEach(() => s3.clear());
  afterAll(async () => {
    store.close();
    reader.close();
    await s3.stop();
  });

  function policyFor(use: IamUse): IamPolicy {
    const policy = iamPolicy(bucket, { uses: [use], prefix: PREFIX, quarantinePrefix: QUARANTINE });
    if (typeof policy === 'string') throw new Error(policy);
    return policy;
  }

  /** What each use does; rejects, or gives another answer, when a permission is missing. */
  const done: Readonly<Record<IamUse, () => Promise<unknown>>> = {
    put: async () => {
      await store.check(noAbort);
      await store.check(noAbort, 'thorough');
      return store.put(OBJECT, noAbort).then(({ existed }) => existed);
    },
    manifests: () => store.put({ ...OBJECT, key: `${PREFIX}2026/11/23/22/_manifest-a-0.json` }, noAbort),
    compare: async () => {
      s3.plant(OBJECT.key, Buffer.from('{"id":"1"}\n'), { 'content-sha256': OBJECT.contentHash });
      const stored = await store.find(OBJECT.key, OBJECT.contentHash, noAbort);
      expect(stored).not.toBeNull();
    },
    verify: () => reader.list(PREFIX, '', noAbort),
    read: async () => {
      s3.plant(OBJECT.key, Buffer.from('{"id":"1"}\n'));
      const [listed] = await reader.list(PREFIX, '', noAbort);
      (await reader.get(listed?.key ?? '', noAbort))?.destroy();
    },
    quarantine: async () => {
      const key = `${QUARANTINE}2026/11/23/22/eventing-a-1-0-0.ndjson`;
      s3.plant(key, Buffer.from('{}\n'));
      await reader.list(`${QUARANTINE}_retries/x`, '', noAbort);
      const [listed] = await reader.list(QUARANTINE, '', noAbort);
      (await reader.get(listed?.key ?? '', noAbort))?.destroy();
      await store.put({ ...OBJECT, key: `${QUARANTINE}_retries/x.json` }, noAbort);
    },
  };

  for (const use of IAM_USES) {
    it(`for ${use}, everything works, and nothing without any one of its actions`, async () => {
      const policy = policyFor(use);
      s3.setPermissions({ policy });
      await done[use]();
      expect(s3.requests().filter(({ status }) => status === 403)).toEqual([]);
      for (const left of policy.Statement) {
        const Statement = policy.Statement.filter((statement) => statement !== left);
        s3.setPermissions({ policy: { Statement } });
        await expect(done[use](), left.Sid).rejects.toThrow(REFUSED);
      }
    });

    it(`for ${use}, nothing works below another prefix, or in another bucket`, async () => {
      for (const other of [
        iamPolicy(bucket, { uses: [use], prefix: 'logs2/', quarantinePrefix: 'bad2/' }),
        iamPolicy({ ...bucket, name: 'another' }, { uses: [use], prefix: PREFIX, quarantinePrefix: QUARANTINE }),
      ]) {
        if (typeof other === 'string') throw new Error(other);
        s3.setPermissions({ policy: other });
        await expect(done[use]()).rejects.toThrow(REFUSED);
      }
    });
  }

  it('to put, an object that exists is not compared, and one is not found', async () => {
    s3.setPermissions({ policy: policyFor('put') });
    expect(await store.put(OBJECT, noAbort)).toMatchObject({ existed: false });
    expect(await store.put(OBJECT, noAbort)).toEqual({ etag: '', existed: true });
    await expect(store.find(OBJECT.key, OBJECT.contentHash, noAbort)).rejects.toMatchObject({ code: 'unseen' });
  });

  it('to compare, an object that does not exist looks like one that may not be read', async () => {
    s3.setPermissions({ policy: policyFor('compare') });
    const error = {
      code: 'unseen',
      remedy: expect.stringContaining('If they have it, there is no such object') as string,
    };
    await expect(store.find(OBJECT.key, OBJECT.contentHash, noAbort)).rejects.toMatchObject(error);
  });
});
