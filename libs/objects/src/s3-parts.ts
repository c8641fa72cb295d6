import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  type CompletedPart,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { openBody } from './checked-body.ts';
import type { AbandonedParts, ObjectToPut } from './object-store.ts';
import { bucketHeaders, type PutSettings } from './put-settings.ts';
import { type ChecksumAlgorithm, checksumMember, type ObjectSums, objectSums } from './s3-checksums.ts';
import { keptHeaders, withoutExpect } from './s3-put-headers.ts';
import type { S3Requests } from './s3-requests.ts';

const MIB = 1024 * 1024;
/** S3 takes parts from 5 MiB on, and 10,000 of them. */
const PART_BYTES_MIN = 8 * MIB;
const PARTS_MAX = 10_000;
/** Parts of one object at a time. They are streamed, so that memory does not grow with their size. */
export const PARTS_AT_ONCE = 4;
/** Aborting is a courtesy: it does not hold up the next try for longer. */
const ABORT_TIMEOUT_MS = 5_000;
/** Pages of abandoned uploads that one look reads. */
const PAGES_MAX = 10;

/** A store that takes no parts, or not as S3 does. */
export class PartsNotTaken extends Error {
  override readonly name = 'PartsNotTaken';
}

export interface PartsPorts {
  readonly requests: S3Requests;
  readonly bucket: string;
  readonly settings: PutSettings;
  readonly condition: { readonly IfNoneMatch?: string };
}

/** The size of all parts of an object but the last. */
export function partBytesOf(objectBytes: number): number {
  return Math.max(PART_BYTES_MIN, Math.ceil(objectBytes / PARTS_MAX));
}

/**
 * Puts an object in parts, several at a time. The file is read once before, for the checksums of object and parts: each part
 * is sent only if it still has the bytes of which the whole was right, and the store compares the whole once more.
 * @returns the ETag
 */
export async function putInParts(
  { requests, bucket, settings, condition }: PartsPorts,
  object: ObjectToPut,
  algorithm: ChecksumAlgorithm,
  signal: AbortSignal,
): Promise<string | undefined> {
  const sums = await objectSums(object, algorithm, signal, partBytesOf(object.objectBytes));
  const target = { Bucket: bucket, Key: object.key, ...bucketHeaders(settings) };
  const created = await requests.client.send(
    new CreateMultipartUploadCommand({
      ...target,
      ...keptHeaders(object, settings),
      ChecksumAlgorithm: algorithm,
      ChecksumType: 'FULL_OBJECT',
    }),
    { abortSignal: signal },
  );
  const { UploadId } = created;
  if (UploadId === undefined) throw new PartsNotTaken('success without the id of an upload');
  const upload = { ...target, UploadId };
  try {
    const parts = await putParts(sums.parts, putPart, signal);
    const completed = await requests.client.send(
      new CompleteMultipartUploadCommand({
        ...upload,
        MultipartUpload: { Parts: parts },
        MpuObjectSize: object.objectBytes,
        ChecksumType: 'FULL_OBJECT',
        ...checksumMember(algorithm, sums.whole),
        ...condition,
      }),
      { abortSignal: signal },
    );
    return completed.ETag;
  } catch (error) {
    // Also after a 412: the parts are of no use any more. What is not aborted now is aborted after a day.
    const command = new AbortMultipartUploadCommand(upload);
    await requests.client.send(command, { abortSignal: AbortSignal.timeout(ABORT_TIMEOUT_MS) }).catch(() => undefined);
    throw error;
  }

  async function putPart({ number, from, bytes, crc32, sum }: Part, ended: AbortSignal): Promise<CompletedPart> {
    const body = openBody({ body: bytesOf(object, from, from + bytes), objectBytes: bytes, crc32 });
    const checksum = checksumMember(algorithm, sum);
    try {
      const part = { PartNumber: number, Body: body.content, ContentLength: bytes };
      const command = new UploadPartCommand({ ...upload, ...part, ...checksum });
      if (!requests.extras.expect) withoutExpect(command);
      const abortSignal = AbortSignal.any([ended, body.failed]);
      const { ETag } = await requests.client.send(command, { abortSignal });
      return { PartNumber: number, ETag, ...checksum };
    } catch (error) {
      throw body.failed.aborted ? body.failed.reason : error;
    } finally {
      body.close();
    }
  }
}

interface Part {
  readonly number: number;
  readonly from: number;
  readonly bytes: number;
  readonly crc32: number;
  readonly sum: string;
}

/** In the order of the object; the first failure ends all others. */
async function putParts(
  sums: ObjectSums['parts'],
  put: (part: Part, ended: AbortSignal) => Promise<CompletedPart>,
  signal: AbortSignal,
): Promise<CompletedPart[]> {
  let from = 0;
  const parts = sums.map((part, index) => ({ ...part, number: index + 1, from: (from += part.bytes) - part.bytes }));
  const failed = new AbortController();
  const ended = AbortSignal.any([signal, failed.signal]);
  const completed: CompletedPart[] = [];
  const waiting = parts.values();
  const errors: unknown[] = [];
  const lines = Array.from({ length: PARTS_AT_ONCE }, async () => {
    for (const part of waiting) {
      if (ended.aborted) return;
      try {
        completed[part.number - 1] = await put(part, ended);
      } catch (error) {
        errors.push(error);
        failed.abort();
      }
    }
  });
  await Promise.all(lines);
  if (errors.length > 0) throw errors[0];
  signal.throwIfAborted();
  return completed;
}

function bytesOf({ body, range }: ObjectToPut, from: number, to: number): ObjectToPut['body'] {
  if (Buffer.isBuffer(body)) return body.subarray(from, to);
  if (range === undefined) throw new Error('putting an object in parts: its parts cannot be read');
  return () => range(from, to);
}

/** Aborts uploads whose uploader has ended, page by page. @returns how many */
export async function abortAbandoned(
  { requests, bucket, settings }: Pick<PartsPorts, 'requests' | 'bucket' | 'settings'>,
  { prefix, isOurs, beforeMs }: AbandonedParts,
  signal: AbortSignal,
): Promise<number> {
  const target = { Bucket: bucket, ...bucketHeaders(settings) };
  let aborted = 0;
  let after: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } = {};
  for (let page = 0; page < PAGES_MAX; page++) {
    const listing = new ListMultipartUploadsCommand({
      Bucket: bucket,
      Prefix: prefix,
      ...bucketHeaders(settings),
      ...after,
    });
    const listed = await requests.client.send(listing, { abortSignal: signal });
    for (const { Key, UploadId, Initiated } of listed.Uploads ?? []) {
      if (Key === undefined || UploadId === undefined || Initiated === undefined) continue;
      if (Initiated.getTime() >= beforeMs || !isOurs(Key)) continue;
      await requests.client.send(new AbortMultipartUploadCommand({ ...target, Key, UploadId }), {
        abortSignal: signal,
      });
      aborted += 1;
    }
    if (listed.IsTruncated !== true) break;
    after = { KeyMarker: listed.NextKeyMarker, UploadIdMarker: listed.NextUploadIdMarker };
  }
  return aborted;
}
