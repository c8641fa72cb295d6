import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { crc32 } from 'node:zlib';
import { errorAnswer } from './s3-answers.ts';
import type { S3Answer } from './s3-answers.ts';
import type { S3Operation, S3RequestFacts } from './s3-faults.ts';

const bodyBytesMax = 512 * 1024 * 1024;

/** Bucket and key from the path. The bucket comes from the Host header when the client uses virtual-hosted style. */
export function factsOf(request: IncomingMessage, url: URL, bucketName: string): S3RequestFacts {
  const path = decodeURIComponent(url.pathname.slice(1));
  const virtual = request.headers.host?.startsWith(`${bucketName}.`) ?? false;
  const slash = path.indexOf('/');
  const bucket = virtual ? bucketName : slash < 0 ? path : path.slice(0, slash);
  const key = virtual ? path : slash < 0 ? '' : path.slice(slash + 1);
  return { operation: operationOf(request.method, key, url.searchParams), bucket, key, headers: request.headers };
}

function operationOf(method: string | undefined, key: string, query: URLSearchParams): S3Operation {
  // The SDK names its operation in x-id. Every other parameter asks for something other than the object itself.
  const plain = [...query.keys()].every((name) => name === 'x-id');
  if (method === 'PUT' && key !== '' && plain) return 'PutObject';
  if (key !== '' && query.has('uploadId')) {
    if (method === 'PUT') return 'UploadPart';
    if (method === 'POST') return 'CompleteMultipartUpload';
    if (method === 'DELETE') return 'AbortMultipartUpload';
  }
  if (method === 'POST' && key !== '' && query.has('uploads')) return 'CreateMultipartUpload';
  if (method === 'GET' && key === '' && query.has('uploads')) return 'ListMultipartUploads';
  if (method === 'HEAD') return key === '' ? 'HeadBucket' : 'HeadObject';
  if (method === 'GET' && key !== '' && plain) return 'GetObject';
  if (method === 'GET' && key === '' && query.get('list-type') === '2') return 'ListObjectsV2';
  return 'Other';
}

/** The error of a PUT that S3 refuses before it reads the body, or null. */
export function refusePut({ headers }: IncomingMessage): S3Answer | null {
  const hash = headers['x-amz-content-sha256'];
  const chunked = (typeof hash === 'string' && hash.startsWith('STREAMING-')) || 'x-amz-trailer' in headers;
  if (chunked || headers['content-encoding']?.includes('aws-chunked') === true) {
    return errorAnswer(501, 'NotImplemented', 'aws-chunked bodies are refused: they end up inside objects elsewhere.');
  }
  if ('x-amz-copy-source' in headers) return errorAnswer(501, 'NotImplemented', 'Copies are not implemented.');
  if (headers['content-length'] === undefined) {
    return errorAnswer(411, 'MissingContentLength', 'You must provide the Content-Length HTTP header.');
  }
  if (Number(headers['content-length']) > bodyBytesMax) {
    return errorAnswer(400, 'EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size');
  }
  const condition = headers['if-none-match'];
  if (condition !== undefined && condition !== '*') {
    return errorAnswer(501, 'NotImplemented', 'If-None-Match takes nothing but * on a PUT.');
  }
  return null;
}

/** The error of a PUT whose body does not have the hash or checksum of its headers, or null. */
export function refuseBody({ headers }: IncomingMessage, body: Buffer): S3Answer | null {
  const hash = headers['x-amz-content-sha256'];
  if (hash !== 'UNSIGNED-PAYLOAD' && hash !== createHash('sha256').update(body).digest('hex')) {
    const message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
    return errorAnswer(400, 'XAmzContentSHA256Mismatch', message);
  }
  const md5 = headers['content-md5'];
  if (md5 !== undefined && md5 !== createHash('md5').update(body).digest('base64')) {
    return errorAnswer(400, 'BadDigest', 'The Content-MD5 you specified did not match what we received.');
  }
  const checksum = headers['x-amz-checksum-crc32'];
  if (checksum !== undefined && checksum !== crc32Base64(body)) {
    return errorAnswer(400, 'BadDigest', 'The CRC32 you specified did not match the calculated checksum.');
  }
  return null;
}

/** A request's whole body. Rejects when the client sends less than its Content-Length (Node then fails the request). */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk as Uint8Array));
  if (!request.complete) throw new Error('reading a body: the client ended it early');
  return Buffer.concat(chunks);
}

function crc32Base64(body: Buffer): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(body));
  return bytes.toString('base64');
}
