import { createHash, randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { crc32 } from 'node:zlib';
import { answer, errorAnswer, type S3Answer } from './s3-answers.ts';
import type { S3Upload } from './s3-objects.ts';

const PART_BYTES_MIN = 5 * 1024 * 1024;

interface Upload {
  readonly key: string;
  readonly headers: IncomingHttpHeaders;
  readonly parts: Map<number, Buffer>;
  readonly initiatedMs: number;
}

/** The uploads of objects in several parts that were begun and not ended, with full-object checksums of CRC-32. */
export class S3Uploads {
  readonly #uploads = new Map<string, Upload>();

  create(key: string, headers: IncomingHttpHeaders, nowMs: number): S3Answer {
    const id = randomUUID();
    this.#uploads.set(id, { key, headers, parts: new Map(), initiatedMs: nowMs });
    return xml(`<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`);
  }

  /** Begins an upload as an uploader would that ended before it completed it. */
  plant(key: string, initiatedMs: number): void {
    this.#uploads.set(randomUUID(), { key, headers: {}, parts: new Map(), initiatedMs });
  }

  keys(): string[] {
    return [...this.#uploads.values()].map(({ key }) => key);
  }

  clear(): void {
    this.#uploads.clear();
  }

  part(query: URLSearchParams, request: IncomingMessage, body: Buffer): S3Answer {
    const upload = this.#uploads.get(query.get('uploadId') ?? '');
    if (upload === undefined) return noSuchUpload();
    upload.parts.set(Number(query.get('partNumber')), body);
    const sent = request.headers['x-amz-checksum-crc32'];
    return answer(200, { etag: etagOf(body), ...(typeof sent === 'string' ? { 'x-amz-checksum-crc32': sent } : {}) });
  }

  /** The whole, if parts, order and checksums are those that were put; else what S3 answers. */
  complete(
    query: URLSearchParams,
    headers: IncomingHttpHeaders,
    body: string,
  ): S3Answer | { upload: Upload; whole: Buffer } {
    const upload = this.#uploads.get(query.get('uploadId') ?? '');
    if (upload === undefined) return noSuchUpload();
    const listed = [...body.matchAll(/<Part>(.*?)<\/Part>/gs)].map(([, part = '']) => ({
      number: Number(/<PartNumber>(\d+)</.exec(part)?.[1]),
      etag: /<ETag>(.*?)</.exec(part)?.[1]?.replaceAll('&quot;', '"'),
    }));
    const parts = listed.map(({ number }) => upload.parts.get(number));
    const isRight = listed.every(({ number, etag }, index) => {
      const part = parts[index];
      return number === index + 1 && part !== undefined && etagOf(part) === etag;
    });
    if (!isRight || parts.length === 0)
      return errorAnswer(400, 'InvalidPart', 'One or more of the parts is not right.');
    const found = parts.filter((part) => part !== undefined);
    if (found.slice(0, -1).some((part) => part.length < PART_BYTES_MIN)) {
      return errorAnswer(400, 'EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size');
    }
    const whole = Buffer.concat(found);
    const size = headers['x-amz-mp-object-size'];
    if (size !== undefined && Number(size) !== whole.length) return errorAnswer(400, 'InvalidRequest', 'Another size.');
    const sent = headers['x-amz-checksum-crc32'];
    if (sent !== undefined && sent !== crc32Of(whole)) {
      return errorAnswer(400, 'BadDigest', 'The CRC32 you specified did not match the calculated checksum.');
    }
    return { upload, whole };
  }

  end(query: URLSearchParams): S3Answer {
    return this.#uploads.delete(query.get('uploadId') ?? '') ? answer(204) : noSuchUpload();
  }

  list(query: URLSearchParams): S3Answer {
    const prefix = query.get('prefix') ?? '';
    const found = [...this.#uploads].filter(([, { key }]) => key.startsWith(prefix));
    const uploads = found.map(
      ([id, { key, initiatedMs }]) =>
        `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>${new Date(initiatedMs).toISOString()}</Initiated></Upload>`,
    );
    return xml(
      `<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>${uploads.join('')}</ListMultipartUploadsResult>`,
    );
  }
}

/** The ETag of an object of several parts, and what is kept with it. */
export function wholeOf(
  upload: { readonly headers: IncomingHttpHeaders },
  whole: Buffer,
  kept: Omit<S3Upload, 'body' | 'crc32'>,
): S3Upload {
  const isFull = upload.headers['x-amz-checksum-type'] === 'FULL_OBJECT';
  return { ...kept, body: whole, crc32: isFull ? crc32Of(whole) : null };
}

export function completedAnswer(etag: string): S3Answer {
  return xml(
    `<CompleteMultipartUploadResult><ETag>${etag.replaceAll('"', '&quot;')}</ETag></CompleteMultipartUploadResult>`,
  );
}

function noSuchUpload(): S3Answer {
  return errorAnswer(404, 'NoSuchUpload', 'The specified upload does not exist.');
}

function xml(text: string): S3Answer {
  return answer(
    200,
    { 'content-type': 'application/xml' },
    Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n${text}`),
  );
}

function etagOf(body: Buffer): string {
  return `"${createHash('md5').update(body).digest('hex')}"`;
}

function crc32Of(body: Buffer): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(body));
  return bytes.toString('base64');
}
