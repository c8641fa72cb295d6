import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startS3 } from '@sink/testing';
import type { FakeS3 } from '@sink/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createObjectStore } from './create-object-store.ts';
import { anObject, failureOf, noAbort } from './object-store.conformance.ts';
import type { ObjectStore } from './object-store.ts';
import type { S3BucketSettings } from './s3-client.ts';

/** Credentials change outside while one store lives, as in the sink. */
describe('credentials that change', () => {
  const good = { accessKeyId: 'AKIAGOOD', secretAccessKey: 'secret/+=' };
  const object = anObject('{"id":"1"}\n');
  const from = 'the AWS profile default';
  let s3: FakeS3;
  let folder: string;
  let shared: string;
  const closing: (() => unknown)[] = [];

  beforeEach(async () => {
    s3 = await startS3({ bucket: 'events', ...good });
    folder = await mkdtemp(join(tmpdir(), 'sink-credentials-'));
    shared = join(folder, 'credentials');
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', shared);
    vi.stubEnv('AWS_CONFIG_FILE', join(folder, 'config'));
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
    for (const name of ['AWS_PROFILE', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'])
      vi.stubEnv(name, undefined);
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    for (const close of closing.splice(0)) await close();
    await s3.stop();
    await rm(folder, { recursive: true });
  });

  function open(settings: Partial<S3BucketSettings> = {}, credentialsTimes: object = {}): ObjectStore {
    const bucket = {
      kind: 's3',
      name: 'events',
      endpoint: s3.url,
      forcePathStyle: true,
      credentialsFrom: from,
    } as const;
    const store = createObjectStore({ ...bucket, ...settings }, { ifNoneMatch: 'auto', credentialsTimes });
    closing.push(() => store.close());
    return store;
  }

  const profile = (keys: Readonly<Record<string, string>>, name = 'default'): string =>
    [`[${name}]`, ...Object.entries(keys).map(([key, value]) => `${key} = ${value}`), ''].join('\n');
  const goodProfile = { aws_access_key_id: good.accessKeyId, aws_secret_access_key: good.secretAccessKey };
  const failing = async (store: ObjectStore) => failureOf(store.put(object, noAbort));

  it('are used as soon as the shared file appears, or gets its profile', async () => {
    const store = open();
    const none = await failing(store);
    expect(none).toMatchObject({ code: 'no_credentials', kind: 'operator' });
    expect(none.remedy).toContain(from);
    await writeFile(shared, profile(goodProfile, 'other'));
    expect(await failing(store)).toMatchObject({ code: 'no_credentials' });
    await writeFile(shared, profile(goodProfile));
    await expect(store.put(object, noAbort)).resolves.toMatchObject({ existed: false });
  });

  it('are used when the shared file is rotated after the store refused the old key, or its token', async () => {
    await writeFile(shared, profile({ ...goodProfile, aws_access_key_id: 'AKIAOLD' }));
    const store = open();
    const unknown = await failing(store);
    expect(unknown).toMatchObject({ code: 'unknown_access_key' });
    expect(unknown.remedy).toContain(from);
    await writeFile(shared, profile({ ...goodProfile, aws_session_token: 'old' }));
    const expired = await failing(store);
    expect(expired).toMatchObject({ code: 'expired_token' });
    expect(expired.remedy).toContain(`renew them (${from})`);
    await writeFile(shared, profile(goodProfile));
    await store.put(object, noAbort);
  });

  it('are read again at an age, although the old ones still work', async () => {
    await writeFile(shared, profile(goodProfile));
    const store = open({}, { rereadMs: 0, retryMs: 0 });
    await store.put(object, noAbort);
    await writeFile(shared, profile({ ...goodProfile, aws_access_key_id: 'AKIANEW' }));
    await expect
      .poll(async () => {
        await store.find(object.key, object.contentHash, noAbort).catch(() => undefined);
        return s3.requests().at(-1)?.headers['authorization'];
      })
      .toContain('AKIANEW');
  });

  it('are read from the files of the configuration again', async () => {
    let keys = { ...good, secretAccessKey: 'old' };
    const store = open({
      credentials: keys,
      readCredentials: () => keys,
      credentialsFrom: 'aws.secret_access_key_file',
    });
    const wrong = await failing(store);
    expect(wrong).toMatchObject({ code: 'bad_signature' });
    expect(wrong.remedy).toContain('aws.secret_access_key_file');
    keys = good;
    await store.put(object, noAbort);
  });

  it('of a role are got with the source key of the moment; STS is not S3 in remedies', async () => {
    const config = ['[default]', 'role_arn = arn:aws:iam::123456789012:role/sink', 'source_profile = source', ''];
    await writeFile(join(folder, 'config'), config.join('\n'));
    const source = (id: string) => profile({ aws_access_key_id: id, aws_secret_access_key: 's' }, 'source');
    await writeFile(shared, source('AKIAEXPIRED'));
    const answers: Readonly<Record<string, readonly [status: number, code: string]>> = {
      AKIAEXPIRED: [403, 'ExpiredToken'],
      AKIAUNKNOWN: [403, 'InvalidClientTokenId'],
      AKIADENIED: [403, 'AccessDenied'],
    };
    const sts = createServer((request, response) => {
      const id = /Credential=([^/]+)/.exec(request.headers.authorization ?? '')?.[1] ?? '';
      const [status, code] = answers[id] ?? [200, ''];
      const error = `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>no</Message></Error></ErrorResponse>`;
      const keys = `<AccessKeyId>${good.accessKeyId}</AccessKeyId><SecretAccessKey>${good.secretAccessKey}</SecretAccessKey>`;
      const until = new Date(Date.now() + 3_600_000).toISOString();
      const role = `<AssumeRoleResponse><AssumeRoleResult><Credentials>${keys}<Expiration>${until}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`;
      request.resume();
      response.writeHead(status, { 'content-type': 'text/xml' }).end(code === '' ? role : error);
    });
    await new Promise<void>((resolve) => sts.listen(0, '127.0.0.1', resolve));
    closing.push(() => sts.close());
    const address = sts.address() as AddressInfo;
    vi.stubEnv('AWS_ENDPOINT_URL_STS', `http://127.0.0.1:${address.port}`);

    const store = open();
    const expected = {
      AKIAEXPIRED: ['expired_token', 'renew the source key'],
      AKIAUNKNOWN: ['unknown_access_key', 'source key of the role'],
      AKIADENIED: ['no_credentials', 'sts:AssumeRole'],
    } as const;
    for (const [id, [code, remedy]] of Object.entries(expected)) {
      await writeFile(shared, source(id));
      const failure = await failing(store);
      expect(failure).toMatchObject({ code, kind: 'operator' });
      expect(failure.remedy).toContain(remedy);
      expect(failure.remedy).not.toContain('s3:PutObject');
    }
    await writeFile(shared, source('AKIASOURCE'));
    await store.put(object, noAbort);
  });
});
