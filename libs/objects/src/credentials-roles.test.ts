import { rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type FakeS3, type FakeSts, startS3, startSts, temporaryDirectory } from '@sink/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createObjectStore } from './create-object-store.ts';
import { anObject, failureOf, noAbort } from './object-store.conformance.ts';
import type { ObjectStore } from './object-store.ts';
import type { S3BucketSettings } from './s3-client.ts';

const ROLE = 'arn:aws:iam::123456789012:role/sink';
const temporary = { accessKeyId: 'ASIAROLE', secretAccessKey: 'secret/+=', sessionToken: 'token-1' };
const HOUR_MS = 3_600_000;
const object = anObject('{"id":"1"}\n');
let s3: FakeS3;
let sts: FakeSts;
let folder: string;
const closing: (() => unknown)[] = [];

beforeEach(async () => {
  s3 = await startS3({ bucket: 'events', ...temporary });
  sts = await startSts({ ...temporary, expiresInMs: HOUR_MS });
  folder = temporaryDirectory('roles');
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) vi.stubEnv(name, undefined);
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', join(folder, 'credentials'));
  vi.stubEnv('AWS_CONFIG_FILE', join(folder, 'config'));
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
  vi.stubEnv('AWS_ENDPOINT_URL_STS', sts.url);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const close of closing.splice(0)) await close();
  await Promise.all([s3.stop(), sts.stop()]);
});

function open(settings: Partial<S3BucketSettings>, credentialsTimes: object = {}): ObjectStore {
  const bucket = { kind: 's3', name: 'events', endpoint: s3.url, forcePathStyle: true } as const;
  const store = createObjectStore({ ...bucket, ...settings }, { ifNoneMatch: 'auto', credentialsTimes });
  closing.push(() => store.close());
  return store;
}

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** As container and instance services answer. */
const served = (): string =>
  JSON.stringify({
    Code: 'Success',
    AccessKeyId: temporary.accessKeyId,
    SecretAccessKey: temporary.secretAccessKey,
    Token: temporary.sessionToken,
    Expiration: new Date(Date.now() + HOUR_MS).toISOString(),
  });

const key = { accessKeyId: 'AKIASOURCE', secretAccessKey: 's' };
const role = { arn: ROLE, sessionName: 'sink-1', externalId: 'ex-1' };

describe('a role', () => {
  it('is assumed with the key of the configuration, its external id and session name', async () => {
    await open({ credentials: key, role }).put(object, noAbort);
    expect(sts.asked).toMatchObject([
      {
        Action: 'AssumeRole',
        RoleArn: ROLE,
        ExternalId: 'ex-1',
        RoleSessionName: 'sink-1',
        signedBy: 'AKIASOURCE',
      },
    ]);
    expect(s3.requests().at(-1)?.headers).toMatchObject({ 'x-amz-security-token': 'token-1' });
  });

  it('is assumed with a profile, and with the default chain; no other profile is tried', async () => {
    await writeFile(join(folder, 'credentials'), '[team]\naws_access_key_id = AKIATEAM\naws_secret_access_key = s\n');
    await open({ profile: 'team', role }).put(object, noAbort);
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIAENV');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 's');
    await open({ role: { arn: ROLE, sessionName: 'a' } }).put(object, noAbort);
    expect(sts.asked.map(({ signedBy, ExternalId }) => [signedBy, ExternalId])).toEqual([
      ['AKIATEAM', 'ex-1'],
      ['AKIAENV', undefined],
    ]);
    const gone = await failureOf(open({ profile: 'gone' }).put(object, noAbort));
    expect(gone).toMatchObject({ code: 'no_credentials', kind: 'operator' });
    expect(sts.asked).toHaveLength(2);
  });

  it('is assumed again ahead of the expiry, while requests use what is still good', async () => {
    sts.give = { ...temporary, expiresInMs: 200_000 };
    const store = open({ credentials: key, role }, { earlyMs: 300_000, retryMs: 0 });
    await store.put(object, noAbort);
    sts.give = { ...temporary, expiresInMs: HOUR_MS };
    await store.put(object, noAbort);
    // The answer of that try may come after a second request asked for credentials.
    await expect.poll(() => sts.asked.length).toBeGreaterThan(1);
    await store.put(object, noAbort);
    const asked = sts.asked.length;
    for (let n = 0; n < 3; n++) await store.put(object, noAbort);
    expect(sts.asked).toHaveLength(asked);
  });

  it('whose token S3 refuses is assumed again at the next attempt, which is soon; the same token again needs an operator', async () => {
    sts.give = { ...temporary, sessionToken: 'expired', expiresInMs: HOUR_MS };
    const store = open({ credentials: key, role });
    const both = await Promise.all([1, 2].map(() => failureOf(store.put(object, noAbort))));
    for (const failure of both) expect(failure).toMatchObject({ code: 'expired_token', kind: 'transient' });
    expect(await failureOf(store.put(object, noAbort))).toMatchObject({ code: 'expired_token', kind: 'operator' });
    sts.give = { ...temporary, expiresInMs: HOUR_MS };
    await store.put(object, noAbort);
    expect(s3.requests().at(-1)?.headers).toMatchObject({ 'x-amz-security-token': 'token-1' });
  });
});

describe('the default chain', () => {
  it('assumes the role of a web identity (IRSA), and reads the token again after it was rotated', async () => {
    const token = join(folder, 'token');
    vi.stubEnv('AWS_ROLE_ARN', ROLE);
    vi.stubEnv('AWS_WEB_IDENTITY_TOKEN_FILE', token);
    await writeFile(token, 'jwt-1');
    const store = open({}, { rereadMs: 0, retryMs: 0 });
    await store.put(object, noAbort);
    await writeFile(token, 'jwt-2');
    await store.put(object, noAbort);
    await expect.poll(() => sts.asked.map(({ WebIdentityToken }) => WebIdentityToken)).toContain('jwt-2');
    expect(sts.asked[0]).toMatchObject({ Action: 'AssumeRoleWithWebIdentity', RoleArn: ROLE });
    expect(sts.asked[0]?.signedBy).toBeUndefined();
  });

  it('asks the container service with the token of a file (EKS pod identity), and reads it again', async () => {
    const token = join(folder, 'token');
    const tokens: unknown[] = [];
    const url = await serve(({ headers }, response) => {
      tokens.push(headers.authorization);
      response.end(served());
    });
    vi.stubEnv('AWS_CONTAINER_CREDENTIALS_FULL_URI', `${url}/v1/credentials`);
    vi.stubEnv('AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE', token);
    await writeFile(token, 'pod-1');
    const store = open({}, { rereadMs: 0, retryMs: 0 });
    await store.put(object, noAbort);
    await writeFile(token, 'pod-2');
    await store.put(object, noAbort);
    await expect.poll(() => tokens).toContain('pod-2');
    expect(tokens[0]).toBe('pod-1');
  });

  it('asks the instance service with a token of its own (IMDSv2)', async () => {
    const asked: unknown[] = [];
    const url = await serve((request, response) => {
      asked.push([request.method, request.url, request.headers['x-aws-ec2-metadata-token']]);
      if (request.method === 'PUT') response.end('imds-token');
      else response.end(request.url?.endsWith('/') ? 'instance' : served());
    });
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', undefined);
    vi.stubEnv('AWS_EC2_METADATA_SERVICE_ENDPOINT', url);
    await open({}).put(object, noAbort);
    expect(asked[0]).toMatchObject(['PUT', '/latest/api/token', undefined]);
    expect(asked.at(-1)).toEqual(['GET', '/latest/meta-data/iam/security-credentials/instance', 'imds-token']);
  });

  it('uses the session of SSO that a profile names', async () => {
    const { createHash } = await import('node:crypto');
    const { mkdir } = await import('node:fs/promises');
    const asked: unknown[] = [];
    const expiration = Date.now() + HOUR_MS;
    const url = await serve((request, response) => {
      asked.push([request.url, request.headers['x-amz-sso_bearer_token']]);
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ roleCredentials: { ...temporary, expiration } }));
    });
    vi.stubEnv('AWS_ENDPOINT_URL_SSO', url);
    vi.stubEnv('HOME', folder);
    const cache = join(folder, '.aws', 'sso', 'cache');
    await mkdir(cache, { recursive: true });
    const file = join(cache, `${createHash('sha1').update('https://sso.example/start').digest('hex')}.json`);
    const session = { accessToken: 'sso-token', expiresAt: new Date(expiration).toISOString() };
    await writeFile(file, JSON.stringify(session));
    const lines = [
      'sso_start_url = https://sso.example/start',
      'sso_region = us-east-1',
      'sso_account_id = 123456789012',
      'sso_role_name = sink',
    ];
    await writeFile(join(folder, 'config'), `[profile work]\n${lines.join('\n')}\n`);
    await open({ profile: 'work' }).put(object, noAbort);
    expect(asked).toEqual([[expect.stringContaining('role_name=sink'), 'sso-token']]);
    await rm(file);
  });
});

it('addresses of AWS are those of FIPS, dual-stack and acceleration', async () => {
  const { S3Connection } = await import('./s3-client.ts');
  const hostOf = async (settings: Partial<S3BucketSettings>): Promise<string> => {
    const bucket = {
      kind: 's3',
      name: 'events',
      region: 'us-east-1',
      forcePathStyle: false,
      credentials: key,
    } as const;
    const connection = new S3Connection({ ...bucket, ...settings }, '', { attemptsMax: 1 });
    closing.push(() => connection.close());
    const { endpointProvider, useAccelerateEndpoint, useFipsEndpoint, useDualstackEndpoint } = connection.client.config;
    const resolved = endpointProvider({
      Bucket: 'events',
      Region: 'us-east-1',
      Accelerate: useAccelerateEndpoint,
      UseFIPS: await useFipsEndpoint(),
      UseDualStack: await useDualstackEndpoint(),
    });
    return resolved.url.host;
  };
  expect(await hostOf({})).toBe('events.s3.us-east-1.amazonaws.com');
  expect(await hostOf({ useFips: true })).toBe('events.s3-fips.us-east-1.amazonaws.com');
  expect(await hostOf({ useDualstack: true })).toBe('events.s3.dualstack.us-east-1.amazonaws.com');
  expect(await hostOf({ accelerate: true })).toBe('events.s3-accelerate.amazonaws.com');
});
