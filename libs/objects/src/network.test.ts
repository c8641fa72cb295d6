import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { makeCertificate, startHttpProxy, startS3 } from '@sink/testing';
import type { FakeS3, HttpProxy } from '@sink/testing';
import { afterEach, expect, it, vi } from 'vitest';
import { createObjectStore } from './create-object-store.ts';
import { anObject, failureOf, noAbort } from './object-store.conformance.ts';
import type { ObjectStore, ObjectToPut } from './object-store.ts';
import type { S3BucketSettings } from './s3-client.ts';

const keys = { accessKeyId: 'AKIAGOOD', secretAccessKey: 'secret/+=' };
const small = anObject('{"id":"1"}\n');
/** Above the size from which the SDK sends `Expect: 100-continue`, and so takes another way. */
const large = largeObject();
const closing: (() => unknown)[] = [];

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const close of closing.splice(0).reverse()) await close();
});

function largeObject(): ObjectToPut {
  const body = Buffer.alloc(3_000_000, 'line\n');
  return { ...small, key: 'large', body: () => Readable.from([body]), objectBytes: body.length, crc32: crc32(body) };
}

async function s3At(options: Partial<Parameters<typeof startS3>[0]> = {}): Promise<FakeS3> {
  const s3 = await startS3({ bucket: 'events', ...keys, ...options });
  closing.push(() => s3.stop());
  return s3;
}

async function proxyTo({ host, port }: FakeS3): Promise<HttpProxy> {
  const proxy = await startHttpProxy(() => ({ host, port }));
  closing.push(() => proxy.close());
  return proxy;
}

function open(endpoint: string, settings: Partial<S3BucketSettings> = {}): ObjectStore {
  const bucket = {
    kind: 's3',
    name: 'events',
    endpoint,
    forcePathStyle: true,
    credentials: keys,
    ...settings,
  } as const;
  const store = createObjectStore(bucket, { ifNoneMatch: 'auto' });
  closing.push(() => store.close());
  return store;
}

function certificate(context: { skip: (why: string) => never }) {
  return makeCertificate(['DNS:s3.test', 'IP:127.0.0.1']) ?? context.skip('there is no openssl on this machine');
}

function through(url: string, noProxy = ''): Partial<S3BucketSettings> {
  return { proxy: { http: url, https: url, noProxy, shown: `${url.replace(/\/\/.*@/, '//')} (proxy_url)` } };
}

it('small and large objects go through a proxy to a name that only the proxy knows', async () => {
  const s3 = await s3At();
  const proxy = await proxyTo(s3);
  const store = open('http://s3.test:9000', through(proxy.url));
  await store.put(small, noAbort);
  await store.put(large, noAbort);
  expect(proxy.asked).toEqual(['PUT http://s3.test:9000', 'PUT http://s3.test:9000']);
  expect(s3.requests().at(-1)?.headers).toMatchObject({ expect: '100-continue', host: 's3.test:9000' });
  expect(s3.object('large')?.body.length).toBe(3_000_000);
});

it('a proxy that keeps 100 Continue to itself costs no time, and one that answers itself is suspected', async () => {
  const s3 = await s3At();
  const proxy = await proxyTo(s3);
  proxy.continues = false;
  await open('http://s3.test', through(proxy.url)).put(large, AbortSignal.timeout(4_000));
  const answered = await open('http://s3.test', through(`${proxy.url}/`)).put(small, noAbort);
  expect(answered.etag).not.toBe('');

  const page = createServer((_request, response) => void response.writeHead(401).end('<html>no</html>'));
  await new Promise<void>((resolve) => page.listen(0, '127.0.0.1', resolve));
  closing.push(() => page.close());
  const address = `http://127.0.0.1:${(page.address() as AddressInfo).port}`;
  const refused = await failureOf(open('http://s3.test', through(address)).put(small, noAbort));
  expect(refused.remedy).toContain(`perhaps the proxy ${address} (proxy_url)`);
});

it('what NO_PROXY lists is reached directly, and nothing is without a proxy', async () => {
  const s3 = await s3At();
  const proxy = await proxyTo(s3);
  for (const noProxy of ['127.0.0.1', '127.0.0.0-127.255.255.255', `127.0.0.1:${s3.port}`, '*']) {
    await open(s3.url, through(proxy.url, `s3.test,${noProxy}`)).put({ ...small, key: noProxy }, noAbort);
  }
  await open(s3.url).put({ ...small, key: 'other' }, noAbort);
  expect(proxy.asked).toEqual([]);
});

it('TLS goes through the proxy as a tunnel, and trusts the authority that is given', async (context) => {
  const tls = certificate(context);
  const s3 = await s3At({ tls });
  const proxy = await proxyTo(s3);
  const store = open('https://s3.test', { ...through(proxy.url), readCa: () => tls.cert });
  await store.put(small, noAbort);
  await store.put(large, noAbort);
  expect(new Set(proxy.asked)).toEqual(new Set(['CONNECT s3.test:443']));
  expect(s3.objects().length).toBe(2);
});

it('an authority that is not trusted has the remedy, and a file that is replaced is read again', async (context) => {
  const tls = certificate(context);
  const s3 = await s3At({ tls });
  const untrusted = await failureOf(open(s3.url).put(small, noAbort));
  expect(untrusted).toMatchObject({ code: 'tls', kind: 'operator' });
  expect(untrusted.remedy).toContain('`endpoint_ca_file`');

  let ca = certificate(context).cert;
  const store = open(s3.url, { readCa: () => ca });
  expect(await failureOf(store.put(large, noAbort))).toMatchObject({ code: 'tls' });
  ca = tls.cert;
  await store.put(large, noAbort);
});

it('a proxy that refuses, or is not there, is named with a remedy and without its password', async (context) => {
  const tls = certificate(context);
  const s3 = await s3At({ tls });
  const proxy = await proxyTo(s3);
  proxy.authorization = `Basic ${Buffer.from('me:pass word').toString('base64')}`;
  const address = (user: string) => `http://${user}@127.0.0.1:${proxy.port}`;
  for (const endpoint of ['https://s3.test', 'http://s3.test']) {
    const refused = await failureOf(open(endpoint, through(address('me:wrong'))).put(small, noAbort));
    expect(refused, endpoint).toMatchObject({ kind: 'operator' });
    expect(refused.remedy, endpoint).toContain(`The proxy http://127.0.0.1:${proxy.port} (proxy_url) refuses`);
    expect(`${refused.message} ${refused.remedy ?? ''}`).not.toContain('wrong');
  }
  const right = open('https://s3.test', { ...through(address('me:pass%20word')), readCa: () => tls.cert });
  await right.put(small, noAbort);

  await proxy.close();
  const away = await failureOf(open('https://s3.test', through(proxy.url)).put(small, noAbort));
  expect(away).toMatchObject({ code: 'unreachable', kind: 'transient' });
  expect(away.remedy).toContain(`through the proxy ${proxy.url} (proxy_url)`);
});

it('remedies name the variable that gives the address', async () => {
  const away = await failureOf(open('http://127.0.0.1:1', { endpointFrom: 'AWS_ENDPOINT_URL_S3' }).put(small, noAbort));
  expect(away.remedy).toContain('`AWS_ENDPOINT_URL_S3`');
  expect(away.remedy).not.toContain('`endpoint`');
});

it('STS is reached through the proxy too', async () => {
  const s3 = await s3At();
  const sts = createServer((request, response) => {
    request.resume();
    const found = `<AccessKeyId>${keys.accessKeyId}</AccessKeyId><SecretAccessKey>${keys.secretAccessKey}</SecretAccessKey>`;
    const until = `<Expiration>${new Date(Date.now() + 3_600_000).toISOString()}</Expiration>`;
    response.end(
      `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>${found}${until}</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
    );
  });
  await new Promise<void>((resolve) => sts.listen(0, '127.0.0.1', resolve));
  closing.push(() => sts.close());
  const stsPort = (sts.address() as AddressInfo).port;
  const proxy = await startHttpProxy((host) => ({
    host: '127.0.0.1',
    port: host.startsWith('sts.') ? stsPort : s3.port,
  }));
  closing.push(() => proxy.close());
  for (const [name, value] of Object.entries({
    AWS_CONFIG_FILE: '/nowhere',
    AWS_SHARED_CREDENTIALS_FILE: '/nowhere',
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/sink',
    AWS_WEB_IDENTITY_TOKEN_FILE: new URL('network.test.ts', import.meta.url).pathname,
    AWS_ENDPOINT_URL_STS: 'http://sts.test',
  }))
    vi.stubEnv(name, value);
  await open('http://s3.test', { ...through(proxy.url), credentials: undefined }).put(small, noAbort);
  expect(proxy.asked).toEqual(['POST http://sts.test', 'PUT http://s3.test']);
});

it('instance metadata is never asked through the proxy', async () => {
  const s3 = await s3At();
  const proxy = await proxyTo(s3);
  const asked: string[] = [];
  const metadata = createServer((request, response) => {
    asked.push(request.url ?? '');
    const last = request.url?.endsWith('/role') === true;
    const found = { AccessKeyId: keys.accessKeyId, SecretAccessKey: keys.secretAccessKey, Code: 'Success' };
    const until = new Date(Date.now() + 3_600_000).toISOString();
    response.end(last ? JSON.stringify({ ...found, Token: 'token', Expiration: until }) : 'role');
  });
  await new Promise<void>((resolve) => metadata.listen(0, '127.0.0.1', resolve));
  closing.push(() => metadata.close());
  for (const [name, value] of Object.entries({
    AWS_CONFIG_FILE: '/nowhere',
    AWS_SHARED_CREDENTIALS_FILE: '/nowhere',
    AWS_EC2_METADATA_DISABLED: undefined,
    AWS_EC2_METADATA_SERVICE_ENDPOINT: `http://127.0.0.1:${(metadata.address() as AddressInfo).port}`,
    HTTP_PROXY: proxy.url,
  }))
    vi.stubEnv(name, value);
  // The fake knows no token: that the token is refused shows that the role's key was used.
  const store = open('http://s3.test', { ...through(proxy.url), credentials: undefined });
  expect(await failureOf(store.put(small, noAbort))).toMatchObject({ code: 'expired_token' });
  expect(asked).toContain('/latest/meta-data/iam/security-credentials/role');
  expect(proxy.asked).toEqual(['PUT http://s3.test']);
});
