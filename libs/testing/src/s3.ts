import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Certificate } from './certificate.ts';
import { handleAdmin } from './s3-admin.ts';
import { answer, errorAnswer, listAnswer, objectAnswer } from './s3-answers.ts';
import type { S3Answer } from './s3-answers.ts';
import { S3Faults } from './s3-faults.ts';
import type { S3Fault, S3Operation, S3RequestFacts } from './s3-faults.ts';
import { S3Objects } from './s3-objects.ts';
import type { S3Object, S3Upload, S3Write } from './s3-objects.ts';
import { lockOf, refuseLock, refuseTags, tagsOf } from './s3-options.ts';
import { actionsOf, isAllowed, listingOf } from './s3-policy.ts';
import type { S3Policy } from './s3-policy.ts';
import { factsOf, readBody, refuseBody, refusePut } from './s3-request.ts';
import { completedAnswer, S3Uploads, wholeOf } from './s3-uploads.ts';
import { verifySignature } from './s3-signature.ts';
import type { S3Credentials } from './s3-signature.ts';

/**
 * What the fake's only key may do. `put_only`: s3:PutObject alone, so that HEAD, GET and LIST answer 403. With a policy, each
 * request is judged by it, and an object that does not exist is a 403 too, unless the key may list the bucket.
 */
export type S3Permissions = 'all' | 'put_only' | 'none' | { readonly policy: S3Policy };

export interface S3Options extends S3Credentials {
  readonly bucket: string;
  /** Further buckets, with the same key. */
  readonly otherBuckets?: readonly string[];
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: a free one. */
  readonly port?: number;
  /** If given, the fake refuses requests that are signed for another region, as S3 does. */
  readonly region?: string;
  readonly permissions?: S3Permissions;
  /** How far the fake's clock is ahead of the machine's, for tests of clock skew. */
  readonly clockOffsetMs?: number;
  /** Whether the bucket was made with object lock; without it, a PUT with a lock is refused. Default: false. */
  readonly objectLock?: boolean;
  /** What the fake does not look at, as some real servers: with `condition`, a PUT overwrites whatever it says. */
  readonly ignores?: readonly ('condition' | 'checksum')[];
  /** If given, the fake speaks TLS with this certificate. */
  readonly tls?: Certificate;
}

/** One request to the fake. Status 0: it got no answer, because it hung, was reset, or the client closed. */
export interface S3Request {
  readonly operation: S3Operation;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly status: number;
  /** The client's end of the connection, the same for all requests on one connection. */
  readonly clientPort: number;
}

/**
 * An S3 server for tests: the real protocol over node:http, one bucket, objects in memory. It is stricter than many
 * real servers: it verifies signatures, payload hashes, CRC32 and MD5, and enforces `If-None-Match: *`. A PUT needs a
 * Content-Length and takes effect only when its whole body has arrived. `aws-chunked` bodies are refused (501).
 */
export interface FakeS3 extends S3Credentials {
  readonly bucket: string;
  readonly region: string;
  readonly host: string;
  readonly port: number;
  /** `http://host:port`, the endpoint for path-style clients. */
  readonly url: string;
  /** @param bucket default: the first */
  objects(bucket?: string): S3Object[];
  /** @param bucket default: the first */
  object(key: string, bucket?: string): S3Object | undefined;
  /** Stores an object as another program would. It is not one of the writes. */
  plant(key: string, body: Buffer, metadata?: Readonly<Record<string, string>>): void;
  /** Begins an upload in parts that is never ended. */
  plantUpload(key: string, initiatedMs: number): void;
  /** The keys of uploads in parts that were begun and not ended. */
  uploads(): string[];
  remove(key: string): void;
  /** Every PUT that took effect, oldest first. */
  writes(): readonly S3Write[];
  /** The writes that replaced an object with other bytes. Must stay empty. */
  overwrites(): S3Write[];
  /** The last 10,000 requests, oldest first. */
  requests(): readonly S3Request[];
  addFault(fault: S3Fault): number;
  removeFault(id: number): void;
  clearFaults(): void;
  faultHits(id: number): number;
  setPermissions(permissions: S3Permissions): void;
  /** false: the bucket answers NoSuchBucket (AccessDenied to a put-only key) and keeps its objects. */
  setBucketExists(exists: boolean): void;
  /** Removes objects, writes, requests and faults. */
  clear(): void;
  stop(): Promise<void>;
}

const requestsMax = 10_000;

/** What is kept with an object, by the headers with which it is put. */
function keptOf(headers: IncomingHttpHeaders): Omit<S3Upload, 'body' | 'crc32'> {
  const metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith('x-amz-meta-')) metadata[name.slice('x-amz-meta-'.length)] = String(value);
  }
  return {
    metadata,
    contentType: headers['content-type'] ?? 'binary/octet-stream',
    contentEncoding: headers['content-encoding'] ?? null,
    ...tagsOf(headers),
    ...lockOf(headers),
  };
}

/** Starts the fake in this process. */
export async function startS3(options: S3Options): Promise<FakeS3> {
  const host = options.host ?? '127.0.0.1';
  const region = options.region ?? 'us-east-1';
  const objects = new S3Objects();
  const buckets = new Map([[options.bucket, objects]]);
  for (const other of options.otherBuckets ?? []) buckets.set(other, new S3Objects());
  const uploads = new S3Uploads();
  const faults = new S3Faults();
  const requests: S3Request[] = [];
  let permissions: S3Permissions = options.permissions ?? 'all';
  let bucketExists = true;
  const nowMs = (): number => Date.now() + (options.clockOffsetMs ?? 0);

  /** The error that the headers alone show: S3 refuses such a request before it reads the body. */
  function refuse(request: IncomingMessage, facts: S3RequestFacts, query: URLSearchParams): S3Answer | null {
    const refusal = verifySignature(request, options, options.region ?? null, nowMs());
    if (refusal !== null) {
      const details: Record<string, string> = refusal.region === undefined ? {} : { Region: refusal.region };
      return errorAnswer(refusal.status, refusal.code, refusal.message, {}, details);
    }
    const denied = isDenied(facts, query);
    const bucketKnown = buckets.has(facts.bucket) && (bucketExists || facts.bucket !== options.bucket);
    if (denied || (!bucketKnown && permissions !== 'all')) return errorAnswer(403, 'AccessDenied', 'Access Denied');
    if (!bucketKnown) return errorAnswer(404, 'NoSuchBucket', 'The specified bucket does not exist');
    return null;
  }

  function isDenied(facts: S3RequestFacts, query: URLSearchParams): boolean {
    if (typeof permissions === 'object') {
      const { policy } = permissions;
      return actionsOf(facts, query).some((action) => !isAllowed(policy, action));
    }
    return permissions === 'none' || (permissions === 'put_only' && facts.operation !== 'PutObject');
  }

  async function answerOf(request: IncomingMessage, facts: S3RequestFacts, url: URL, damage: boolean, go: () => void) {
    const refusal = refuse(request, facts, url.searchParams);
    if (refusal !== null) return refusal;
    const inBucket = buckets.get(facts.bucket) ?? objects;
    const withChecksum = request.headers['x-amz-checksum-mode'] === 'ENABLED';
    switch (facts.operation) {
      case 'HeadBucket':
        return answer(200, { 'x-amz-bucket-region': region });
      case 'ListObjectsV2':
        return listAnswer(facts.bucket, inBucket.list(), url.searchParams);
      case 'HeadObject':
      case 'GetObject': {
        const object = inBucket.get(facts.key);
        if (object === undefined && typeof permissions === 'object' && !isAllowed(permissions.policy, listingOf(facts)))
          return errorAnswer(403, 'AccessDenied', 'Access Denied');
        if (object === undefined) return errorAnswer(404, 'NoSuchKey', 'The specified key does not exist.');
        return objectAnswer(object, facts.operation === 'GetObject', withChecksum);
      }
      case 'PutObject':
        return put(request, inBucket, facts.key, damage, go);
      case 'CreateMultipartUpload': {
        const { headers } = request;
        const early = refuseTags(headers) ?? refuseLock(headers, options.objectLock === true, nowMs(), true);
        return early ?? uploads.create(facts.key, headers, nowMs());
      }
      case 'UploadPart': {
        const early = refusePut(request);
        if (early !== null) return early;
        go();
        const body = await readBody(request);
        if (damage && body.length > 0) body.writeUInt8(body.readUInt8(0) ^ 0xff, 0);
        return refuseBody(request, body) ?? uploads.part(url.searchParams, request, body);
      }
      case 'CompleteMultipartUpload': {
        const text = (await readBody(request)).toString();
        const exists = (): boolean => inBucket.has(facts.key);
        const failed = preconditionFailed(request.headers['if-none-match'], exists);
        if (failed !== null) return failed;
        const found = uploads.complete(url.searchParams, request.headers, text);
        if (!('upload' in found)) return found;
        uploads.end(url.searchParams);
        const { etag } = inBucket.put(
          facts.key,
          wholeOf(found.upload, found.whole, keptOf(found.upload.headers)),
          nowMs(),
        );
        return completedAnswer(etag);
      }
      case 'AbortMultipartUpload':
        return uploads.end(url.searchParams);
      case 'ListMultipartUploads':
        return uploads.list(url.searchParams);
      case 'Other':
        return errorAnswer(501, 'NotImplemented', 'The fake does not implement this request.');
    }
  }

  async function put(
    request: IncomingMessage,
    inBucket: S3Objects,
    key: string,
    damage: boolean,
    go: () => void,
  ): Promise<S3Answer> {
    const { headers } = request;
    const exists = (): boolean => inBucket.has(key);
    const early =
      refusePut(request) ??
      refuseTags(headers) ??
      refuseLock(headers, options.objectLock === true, nowMs()) ??
      preconditionFailed(headers['if-none-match'], exists);
    if (early !== null) return early;
    go();
    const body = await readBody(request);
    if (damage && body.length > 0) body.writeUInt8(body.readUInt8(0) ^ 0xff, 0);
    const damaged = options.ignores?.includes('checksum') === true ? null : refuseBody(request, body);
    const refusal = damaged ?? preconditionFailed(headers['if-none-match'], exists);
    if (refusal !== null) return refusal;
    const sent = headers['x-amz-checksum-crc32'];
    const upload = { ...keptOf(headers), body, crc32: typeof sent === 'string' ? sent : null };
    const { etag } = inBucket.put(key, upload, nowMs());
    return answer(200, { etag, ...(typeof sent === 'string' ? { 'x-amz-checksum-crc32': sent } : {}) });
  }

  function preconditionFailed(ifNoneMatch: string | undefined, exists: () => boolean): S3Answer | null {
    if (ifNoneMatch === undefined || options.ignores?.includes('condition') === true || !exists()) return null;
    const message = 'At least one of the pre-conditions you specified did not hold';
    return errorAnswer(412, 'PreconditionFailed', message, {}, { Condition: 'If-None-Match' });
  }

  async function handle(request: IncomingMessage, response: ServerResponse, go: () => void): Promise<void> {
    const url = new URL(request.url ?? '/', `http://${host}`);
    const facts = factsOf(request, url, options.bucket);
    const clientPort = request.socket.remotePort ?? 0;
    const send = (given: S3Answer): void => {
      record(facts, given.status, clientPort);
      if (response.destroyed) return;
      // Node drains an unread body. A client that waits for 100 Continue must not send it any more.
      if (!request.complete && request.headers.expect !== undefined) response.shouldKeepAlive = false;
      const body = request.method === 'HEAD' ? undefined : given.body;
      response.writeHead(given.status, {
        date: new Date(nowMs()).toUTCString(),
        'content-length': String(given.body.length),
        ...given.headers,
      });
      response.end(body);
      request.resume();
    };
    const drop = (kind: 'hang' | 'reset'): void => {
      record(facts, 0, clientPort);
      if (kind === 'reset') request.socket.resetAndDestroy();
      else request.resume();
    };
    const effect = faults.next(facts);
    if (effect?.kind === 'slow') await sleep(effect.delayMs, undefined, { ref: false });
    const ruins = effect !== null && effect.kind !== 'slow' && effect.kind !== 'wrong_etag' && effect.kind !== 'damage';
    const ruined = ruins ? effect : null;
    let given: S3Answer | null = null;
    if (ruined === null || ruined.applied === true) {
      given = await answerOf(request, facts, url, effect?.kind === 'damage', go);
    }
    if (ruined?.kind === 'error') {
      return send(errorAnswer(ruined.status, ruined.code, ruined.message ?? ruined.code, ruined.headers));
    }
    if (ruined?.kind === 'raw') {
      const { status, headers = { 'content-type': 'application/xml' }, body } = ruined;
      return send(answer(status, headers, Buffer.from(body)));
    }
    if (ruined !== null || given === null) return drop(ruined?.kind ?? 'reset');
    if (effect?.kind === 'wrong_etag' && 'etag' in given.headers) {
      return send({ ...given, headers: { ...given.headers, etag: '"00000000000000000000000000000000"' } });
    }
    send(given);
  }

  function record({ operation, key, headers }: S3RequestFacts, status: number, clientPort: number): void {
    const kept = Object.entries(headers).map(([name, value]) => [name, String(value)] as const);
    requests.push({ operation, key, status, clientPort, headers: Object.fromEntries(kept) });
    if (requests.length > requestsMax) requests.shift();
  }

  const listen = (request: IncomingMessage, response: ServerResponse, go: () => void): void => {
    request.on('error', () => undefined);
    const done = request.url?.startsWith('/_fake/')
      ? handleAdmin(fake, request, response)
      : handle(request, response, go);
    done.catch((error: unknown) => {
      // The client closed in the middle of its body: the request has no effect.
      if (response.headersSent || request.destroyed) return void request.socket.destroy();
      response.writeHead(500).end(String(error));
    });
  };
  const serve = (request: IncomingMessage, response: ServerResponse): void =>
    listen(request, response, () => undefined);
  const { tls } = options;
  const server = tls === undefined ? createServer(serve) : createTlsServer({ ...tls }, serve);
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) =>
    listen(request, response, () => response.writeContinue()),
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, host, resolve);
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;

  const fake: FakeS3 = {
    bucket: options.bucket,
    accessKeyId: options.accessKeyId,
    secretAccessKey: options.secretAccessKey,
    ...(options.sessionToken === undefined ? {} : { sessionToken: options.sessionToken }),
    region,
    host,
    port,
    url: `${tls === undefined ? 'http' : 'https'}://${host}:${port}`,
    objects: (bucket = options.bucket) => buckets.get(bucket)?.list() ?? [],
    object: (key, bucket = options.bucket) => buckets.get(bucket)?.get(key),
    plant: (key, body, metadata = {}) => {
      objects.plant(key, { body, metadata, contentType: 'text/plain', contentEncoding: null, crc32: null }, nowMs());
    },
    plantUpload: (key, initiatedMs) => uploads.plant(key, initiatedMs),
    uploads: () => uploads.keys(),
    remove: (key) => {
      objects.remove(key);
    },
    writes: () => objects.writes(),
    overwrites: () => objects.writes().filter(({ outcome }) => outcome === 'other_bytes'),
    requests: () => requests,
    addFault: (fault) => faults.add(fault),
    removeFault: (id) => faults.remove(id),
    clearFaults: () => faults.clear(),
    faultHits: (id) => faults.hits(id),
    setPermissions: (given) => {
      permissions = given;
    },
    setBucketExists: (exists) => {
      bucketExists = exists;
    },
    clear: () => {
      for (const one of buckets.values()) one.clear();
      uploads.clear();
      faults.clear();
      requests.length = 0;
    },
    stop: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
  return fake;
}
