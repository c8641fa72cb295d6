import type { S3Object } from './s3-objects.ts';

/** An HTTP answer of the fake. */
export interface S3Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export function answer(status: number, headers: Readonly<Record<string, string>> = {}, body: Buffer = empty): S3Answer {
  return { status, headers, body };
}

const empty = Buffer.alloc(0);

/** An S3 error: its code and message in XML, as S3 sends it (the caller drops the body for HEAD). */
export function errorAnswer(
  status: number,
  code: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
  details: Readonly<Record<string, string>> = {},
): S3Answer {
  const fields = { Code: code, Message: message, ...details, RequestId: 'FAKE0000000000' };
  const inner = Object.entries(fields).map(([name, value]) => `<${name}>${escapeXml(value)}</${name}>`);
  const xml = `<?xml version="1.0" encoding="UTF-8"?>\n<Error>${inner.join('')}</Error>`;
  return answer(status, { 'content-type': 'application/xml', ...headers }, Buffer.from(xml));
}

/** The answer to HEAD and GET of an object, with the checksum if the request has `x-amz-checksum-mode: ENABLED`. */
export function objectAnswer(object: S3Object, withBody: boolean, withChecksum: boolean): S3Answer {
  const headers: Record<string, string> = {
    etag: object.etag,
    'last-modified': new Date(object.lastModifiedMs).toUTCString(),
    'content-type': object.contentType,
    'content-length': String(object.body.length),
    'accept-ranges': 'bytes',
  };
  if (object.contentEncoding !== null) headers['content-encoding'] = object.contentEncoding;
  for (const [name, value] of Object.entries(object.metadata)) headers[`x-amz-meta-${name}`] = value;
  const tags = Object.keys(object.tags ?? {}).length;
  if (tags > 0) headers['x-amz-tagging-count'] = String(tags);
  if (object.lock !== undefined) {
    headers['x-amz-object-lock-mode'] = object.lock.mode;
    headers['x-amz-object-lock-retain-until-date'] = new Date(object.lock.untilMs).toISOString();
  }
  if (withChecksum && object.crc32 !== null) {
    headers['x-amz-checksum-crc32'] = object.crc32;
    headers['x-amz-checksum-type'] = 'FULL_OBJECT';
  }
  return answer(200, headers, withBody ? object.body : empty);
}

/**
 * One page of ListObjectsV2. Supports prefix, max-keys (up to 1,000), start-after and continuation-token, but no
 * delimiter.
 */
export function listAnswer(bucket: string, objects: readonly S3Object[], query: URLSearchParams): S3Answer {
  if (query.has('delimiter')) return errorAnswer(501, 'NotImplemented', 'A delimiter is not implemented.');
  const prefix = query.get('prefix') ?? '';
  const token = query.get('continuation-token');
  const after = token === null ? (query.get('start-after') ?? '') : Buffer.from(token, 'base64url').toString();
  const maxKeys = Math.min(Number(query.get('max-keys') ?? '1000'), 1000);
  const afterBytes = Buffer.from(after);
  const found = objects.filter(
    ({ key }) => key.startsWith(prefix) && (after === '' || Buffer.compare(Buffer.from(key), afterBytes) > 0),
  );
  const page = found.slice(0, maxKeys);
  const last = page.at(-1);
  const next = found.length > page.length && last !== undefined ? Buffer.from(last.key).toString('base64url') : null;
  const encode = query.get('encoding-type') === 'url' ? encodeURIComponent : escapeXml;
  const contents = page.map(
    ({ key, etag, body, lastModifiedMs }) =>
      `<Contents><Key>${encode(key)}</Key><LastModified>${new Date(lastModifiedMs).toISOString()}</LastModified>` +
      `<ETag>${escapeXml(etag)}</ETag><Size>${body.length}</Size><StorageClass>STANDARD</StorageClass></Contents>`,
  );
  const xml =
    `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` +
    `<Name>${escapeXml(bucket)}</Name><Prefix>${encode(prefix)}</Prefix><KeyCount>${page.length}</KeyCount>` +
    `<MaxKeys>${maxKeys}</MaxKeys><IsTruncated>${next !== null}</IsTruncated>` +
    `${next === null ? '' : `<NextContinuationToken>${next}</NextContinuationToken>`}${contents.join('')}</ListBucketResult>`;
  return answer(200, { 'content-type': 'application/xml' }, Buffer.from(xml));
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}
