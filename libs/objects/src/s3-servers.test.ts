import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import { type FakeS3, startS3 } from '@sink/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createObjectStore } from './create-object-store.ts';
import type { ObjectStore } from './object-store.ts';
import { anObject, failureOf, noAbort } from './object-store.conformance.ts';
import type { S3BucketSettings } from './s3-client.ts';
import type { S3StoreOptions } from './s3-object-store.ts';

const keys = { bucket: 'events', accessKeyId: 'AKIAFAKE', secretAccessKey: 'secret' };
const PUT = { operation: 'PutObject' } as const;
const object = anObject('{"id":"1"}\n');
let s3: FakeS3;
const stores: ObjectStore[] = [];

beforeAll(async () => {
  s3 = await startS3(keys);
});
afterEach(() => {
  for (const store of stores.splice(0)) store.close();
  s3.clear();
});
afterAll(() => s3.stop());

function connect(options: Partial<S3StoreOptions> = {}, bucket: Partial<S3BucketSettings> = {}): ObjectStore {
  const { accessKeyId, secretAccessKey } = keys;
  const store = createObjectStore(
    {
      ...{ kind: 's3', name: keys.bucket, endpoint: s3.url, forcePathStyle: true },
      ...{ credentials: { accessKeyId, secretAccessKey }, ...bucket },
    },
    { ifNoneMatch: 'auto', prefix: 'logs/', ...options },
  );
  stores.push(store);
  return store;
}

function errorXml(code: string, message: string, more = ''): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message>${more}<Resource>/events/x</Resource></Error>`;
}

/** Lets the next PUT get this answer, byte for byte. */
function answerNext(status: number, body: string, headers?: Readonly<Record<string, string>>): void {
  s3.addFault({ match: PUT, times: 1, effect: { kind: 'raw', status, body, ...(headers && { headers }) } });
}

describe('what real servers answer', () => {
  const garageScope = `unexpected scope: '20261128/us-east-1/s3/aws4_request', expected: '20261128/garage/s3/aws4_request'`;
  it.each([
    [
      'versitygw, unknown key',
      404,
      'XAdminUserNotFound',
      'No user exists with the provided access key ID.',
      'unknown_access_key',
      'access_key_id',
    ],
    [
      'Garage, unknown key',
      403,
      'AccessDenied',
      'Forbidden: No such key: GK123',
      'unknown_access_key',
      'access_key_id',
    ],
    ['Garage, wrong secret', 403, 'AccessDenied', 'Forbidden: Invalid signature', 'bad_signature', 'secret_access_key'],
    ['R2, wrong key', 401, 'Unauthorized', 'Unauthorized', 'unknown_access_key', 'access_key_id'],
    [
      'AWS, a key of another form',
      400,
      'AuthorizationHeaderMalformed',
      'The authorization header is malformed; the Credential is mal-formed; expecting "&lt;YOUR-AKID&gt;/YYYYMMDD/REGION/SERVICE/aws4_request".',
      'unknown_access_key',
      'access_key_id',
    ],
    [
      'versitygw, wrong region',
      400,
      'AuthorizationHeaderMalformed',
      'The authorization header is malformed; the region "us-east-1" is wrong; expecting "eu-north-9"',
      'wrong_region',
      'set `region`: eu-north-9.',
    ],
    [
      'MinIO, wrong region',
      400,
      'AuthorizationHeaderMalformed',
      `The authorization header is malformed; the region is wrong; expecting 'eu-north-9'.`,
      'wrong_region',
      'set `region`: eu-north-9.',
    ],
    [
      'Garage, wrong region',
      400,
      'AuthorizationHeaderMalformed',
      `Authorization header malformed, ${garageScope}`,
      'wrong_region',
      'set `region`: garage.',
    ],
    [
      'B2, no such header',
      400,
      'InvalidArgument',
      `Unsupported header 'x-amz-checksum-crc32' received for this API call.`,
      'not_supported',
      '`checksum: off`',
    ],
    [
      'R2, no such header',
      501,
      'NotImplemented',
      `Header 'x-amz-checksum-crc32' with value 'AAAA' not implemented`,
      'not_supported',
      '`checksum: off`',
    ],
    [
      'no conditional PUT, by name',
      400,
      'InvalidArgument',
      'The header If-None-Match is not valid for this request.',
      'not_supported',
      '`if_none_match: off`',
    ],
    [
      'any other header',
      400,
      'InvalidArgument',
      `Unsupported header 'x-amz-meta-content-sha256' received for this API call.`,
      'refused',
      '`x-amz-meta-content-sha256`',
    ],
    [
      'S3Mock, wrong checksum',
      400,
      'BadRequest',
      'Value for x-amz-checksum-crc32 header is invalid.',
      'bad_digest',
      '',
    ],
    [
      'Object Lock without a checksum',
      400,
      'InvalidRequest',
      'Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters',
      'refused',
      '`checksum: crc32`',
    ],
    [
      '404 that is about no bucket',
      404,
      'NoSuchKey',
      'The specified key does not exist.',
      'refused',
      'see the message',
    ],
    [
      '404 about the bucket',
      404,
      'NoSuchBucket',
      'The specified bucket does not exist',
      'no_such_bucket',
      'Create the bucket events',
    ],
  ])('%s: %i %s', async (_case, status, code, message, failure, remedy) => {
    const store = connect({ checksum: 'crc32' });
    answerNext(status, errorXml(code, message));
    const error = await failureOf(store.put(object, noAbort));
    expect(error).toMatchObject({ code: failure, kind: failure === 'bad_digest' ? 'damaged' : 'operator' });
    expect(error.remedy ?? '').toContain(remedy);
    expect(await store.put(object, noAbort)).toMatchObject({ existed: false });
  });

  it('AWS names a refused header in an element of its own', async () => {
    const message = 'A header you provided implies functionality that is not implemented';
    for (const [header, key] of [
      ['If-None-Match', '`if_none_match: off`'],
      ['x-amz-checksum-crc32', '`checksum: off`'],
      ['x-amz-tagging', '`x-amz-tagging`'],
    ]) {
      answerNext(501, errorXml('NotImplemented', message, `<Header>${header}</Header>`));
      expect((await failureOf(connect({ checksum: 'crc32' }).put(object, noAbort))).remedy).toContain(key);
    }
  });

  it('a proxy that adds headers is named by what it adds', async () => {
    const message = 'There were headers present in the request which were not signed';
    answerNext(403, errorXml('AccessDenied', message, '<HeadersNotSigned>x-amz-acl</HeadersNotSigned>'));
    expect((await failureOf(connect().put(object, noAbort))).remedy).toContain('`x-amz-acl`');
  });
});

describe('a redirect', () => {
  it('of AWS, while a bucket is new, names the region of its address', async () => {
    const endpoint = '<Endpoint>events.s3.eu-west-3.amazonaws.com</Endpoint>';
    answerNext(
      307,
      errorXml('TemporaryRedirect', 'Please re-send this request to the specified temporary endpoint.', endpoint),
    );
    const error = await failureOf(connect().put(object, noAbort));
    expect(error).toMatchObject({ code: 'wrong_region', kind: 'operator' });
    expect(error.remedy).toContain('set `region`: eu-west-3.');
  });

  it.each([301, 302, 307, 308])(
    '%i to another server is named without its query, and not called a wrong region',
    async (status) => {
      const location = 'https://store.example:9000/events/logs/x?X-Amz-Signature=secret';
      answerNext(status, '<html>moved</html>', { location, 'content-type': 'text/html' });
      const error = await failureOf(connect().put(object, noAbort));
      expect(error).toMatchObject({ code: 'redirected', kind: 'operator' });
      expect(error.remedy).toBe(
        `${s3.url} redirects to https://store.example:9000: set \`endpoint\` to the address of the store itself.`,
      );
      expect(error.message).not.toContain('Signature');
    },
  );
});

describe('what a store refuses and a PUT can do without', () => {
  const large = anObject(Buffer.alloc(3_000_000, '{}\n'));

  it('417: the same PUT goes out again without Expect, and all further ones do', async () => {
    const store = connect();
    s3.addFault({
      match: ({ headers }) => headers.expect !== undefined,
      effect: {
        kind: 'raw',
        status: 417,
        body: '<html>no expectations</html>',
        headers: { 'content-type': 'text/html' },
      },
    });
    expect(await store.put(large, noAbort)).toMatchObject({ existed: false });
    expect(await store.put({ ...large, key: `${large.key}2` }, noAbort)).toMatchObject({ existed: false });
    expect(s3.requests().map(({ status, headers }) => [status, headers['expect']])).toEqual([
      [417, '100-continue'],
      [200, undefined],
      [200, undefined],
    ]);
  });

  it('checksum auto: a store that does not know the header gets objects without it', async () => {
    const refusal = errorXml(
      'InvalidArgument',
      `Unsupported header 'x-amz-checksum-crc32' received for this API call.`,
    );
    s3.addFault({
      match: ({ headers }) => headers['x-amz-checksum-crc32'] !== undefined,
      effect: { kind: 'raw', status: 400, body: refusal },
    });
    const store = connect();
    const puts = [object, anObject('2\n'), anObject('3\n')].map((one) => store.put(one, noAbort));
    expect((await Promise.all(puts)).map(({ existed }) => existed)).toEqual([false, false, false]);
    const before = s3.requests().length;
    await store.put(anObject('4\n'), noAbort);
    expect(s3.requests()).toHaveLength(before + 1);
    expect((await store.check(noAbort)).warnings).toEqual([expect.stringContaining('x-amz-checksum-crc32')]);
    expect(s3.objects().every(({ crc32 }) => crc32 === null)).toBe(true);
    expect(await failureOf(connect({ checksum: 'crc32' }).put(anObject('5\n'), noAbort))).toMatchObject({
      code: 'not_supported',
      kind: 'operator',
    });
  });

  it('checksum off: no checksum is sent, and the probe is refused by its MD5', async () => {
    const store = connect({ checksum: 'off' });
    expect(await store.check(noAbort)).toEqual({ location: 's3://events/logs/', warnings: [] });
    await store.put(object, noAbort);
    expect(s3.objects().map(({ key, crc32 }) => [key, crc32])).toEqual([[object.key, null]]);
  });
});

describe('an endpoint that is no S3 server', () => {
  const others: Server[] = [];
  afterEach(() => {
    for (const server of others.splice(0)) server.close().closeAllConnections();
  });

  async function storeAt(listener: RequestListener): Promise<ObjectStore> {
    const server = createServer(listener);
    others.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return connect({}, { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  }

  const bodies = {
    html: ['text/html', '<html><body><h1>Not here</h1><hr></body></html>'],
    text: ['text/plain', '404 page not found\n'],
    json: ['application/json', '{"error":"no"}'],
    xml: ['application/xml', '<ErrorResponse><message>no</message></ErrorResponse>'],
    nothing: ['text/plain', ''],
  } as const;
  const statuses = [200, 400, 401, 403, 404, 405, 411, 500, 502, 503];

  it.each(Object.keys(bodies) as (keyof typeof bodies)[])(
    'is said to be none, for every status, with %s',
    async (kind) => {
      const [type, body] = bodies[kind];
      for (const status of statuses) {
        const store = await storeAt((request, response) => {
          request.resume();
          response.writeHead(status, { 'content-type': type }).end(body);
        });
        for (const error of [await failureOf(store.put(object, noAbort)), await failureOf(store.check(noAbort))]) {
          expect(error.remedy, `${status}`).toMatch(
            /he server at http:.* does not seem to be an S3 server: correct `endpoint`/,
          );
          // What a gateway answers while the store behind it is away passes.
          expect(error.kind, `${status}`).toBe(
            status === 200 || status === 500 || status === 502
              ? 'transient'
              : status === 503
                ? 'throttled'
                : 'operator',
          );
          expect(error.message).not.toContain('Deserialization');
        }
      }
    },
  );

  it('is said to be none also by its body alone', async () => {
    const filer = await storeAt((request, response) => {
      request.resume();
      response.writeHead(400, { 'x-amz-request-id': '1', 'content-type': 'application/json' }).end('{"error":"no"}');
    });
    expect(await failureOf(filer.put(object, noAbort))).toMatchObject({ code: 'not_s3', kind: 'operator' });
  });

  it('and so is Azure, whose errors look alike, and what does not speak HTTP', async () => {
    const azure = await storeAt((_request, response) => {
      response.writeHead(400, { 'x-ms-request-id': '1', 'content-type': 'application/xml' });
      response.end(
        errorXml('InvalidHeaderValue', 'The value for one of the HTTP headers is not in the correct format.'),
      );
    });
    expect(await failureOf(azure.put(object, noAbort))).toMatchObject({ code: 'not_s3', kind: 'operator' });
    const tcp = createTcpServer((socket) => socket.on('error', () => undefined).end('-ERR unknown command\r\n'));
    await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
    const redis = connect({}, { endpoint: `http://127.0.0.1:${(tcp.address() as AddressInfo).port}` });
    expect(await failureOf(redis.put(object, noAbort))).toMatchObject({ code: 'not_s3', kind: 'operator' });
    tcp.close();
  });
});

describe('check', () => {
  const others: FakeS3[] = [];
  afterEach(async () => {
    await Promise.all(others.splice(0).map((other) => other.stop()));
  });
  const PROBE = 'logs/_sink-aws-s3-check';

  async function at(ignores: readonly ('condition' | 'checksum')[], options: Partial<S3StoreOptions> = {}) {
    const server = await startS3({ ...keys, ignores });
    others.push(server);
    return { server, store: connect(options, { endpoint: server.url }) };
  }

  it('takes any 400 that speaks of a checksum for the refusal that it hopes for', async () => {
    for (const [code, message] of [
      ['BadRequest', 'Value for x-amz-checksum-crc32 header is invalid.'],
      ['InvalidRequest', 'The checksum does not match.'],
      ['InvalidDigest', 'Invalid digest: Failed to validate checksum'],
    ] as const) {
      answerNext(400, errorXml(code, message));
      expect((await connect().check(noAbort)).warnings).toEqual([]);
    }
  });

  it('leaves nothing, as often as it runs; the thorough one leaves its probe, and is content', async () => {
    const store = connect();
    expect((await store.check(noAbort)).warnings).toEqual([]);
    expect(s3.objects()).toEqual([]);
    for (let run = 0; run < 2; run++) expect((await store.check(noAbort, 'thorough')).warnings).toEqual([]);
    expect((await store.check(noAbort)).warnings).toEqual([]);
    expect(s3.objects().map(({ key }) => key)).toEqual([PROBE]);
    expect(s3.writes()).toHaveLength(1);
  });

  it('needs no other permission than to put', async () => {
    s3.setPermissions('put_only');
    try {
      expect((await connect().check(noAbort, 'thorough')).warnings).toEqual([]);
      expect(new Set(s3.requests().map(({ operation }) => operation))).toEqual(new Set(['PutObject']));
    } finally {
      s3.setPermissions('all');
    }
  });

  it('a store that does not verify checksums keeps one probe', async () => {
    const { server, store } = await at(['checksum']);
    for (let run = 0; run < 3; run++) {
      expect((await store.check(noAbort)).warnings).toEqual([expect.stringContaining('does not verify checksums')]);
    }
    expect(server.objects().map(({ key }) => key)).toEqual([PROBE]);
  });

  it('only the thorough one finds out that a store overwrites', async () => {
    const { server, store } = await at(['condition']);
    expect((await store.check(noAbort)).warnings).toEqual([]);
    expect((await store.check(noAbort, 'thorough')).warnings).toEqual([
      expect.stringContaining('ignores `If-None-Match'),
    ]);
    expect(server.objects().map(({ key }) => key)).toEqual([PROBE]);
    const off = connect({ ifNoneMatch: 'off' }, { endpoint: server.url });
    expect((await off.check(noAbort, 'thorough')).warnings).toEqual([]);
  });
});
