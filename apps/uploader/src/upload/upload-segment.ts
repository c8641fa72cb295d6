import {
  contentType,
  crc32Checksum,
  destinationOf,
  type Receipt,
  RECEIPT_VERSION,
  RECORD_VERSION,
  ROUTED_RECEIPT_VERSION,
  type SealedSegment,
  type SegmentRecord,
  type SpilledRecord,
  spoolCompressionOf,
} from '@sink/domain';
import type { UploaderLane } from '@sink/lane';
import { type FoundObject, ObjectStoreError, type ObjectToPut } from '@sink/objects';
import { plainContent } from '@sink/spool';
import type { ObjectBuilder } from './object-builder.ts';
import { ChunkMissing, contentOf } from './rebuild.ts';
import type { UploadSpan } from './upload-span.ts';
import type { SpoolFiles } from './spool-files.ts';
import type { StoreOfBucket } from './stores.ts';

/** An object's bytes, ready to be put: from the spool file, or rebuilt from the chunks. */
export interface ObjectBody extends Pick<ObjectToPut, 'body' | 'range' | 'objectBytes' | 'crc32'> {
  /** Frees what holds the body; called once, when the body is no longer needed. */
  release?(): Promise<void>;
}

/** The file with a spilled segment's only copy is missing or damaged, and its object is not in the bucket, or not seen. */
export class SpilledFileMissing extends Error {
  readonly code = 'spilled_missing';
  readonly retryable = true;
  /** @param unseen the error of the store, if the credentials do not allow looking for the object */
  constructor({ id, key, spool, spoolId, count }: SpilledRecord, unseen?: ObjectStoreError) {
    super(
      `uploading spilled segment ${id} [key=${key}, events=${count}]: there is no sound file spool/${spool}/${id}.spilled in spool directory ${spoolId}, and ${unseen === undefined ? 'no object' : unseen.message}`,
      unseen === undefined ? undefined : { cause: unseen },
    );
    this.name = 'SpilledFileMissing';
  }
}

/** The object was put into a bucket that the segment's record does not name any more. The next try reads the record again. */
export class SegmentRedirected extends Error {
  readonly code = 'redirected';
  readonly retryable = true;
  constructor({ id, key }: SealedSegment) {
    super(`committing segment ${id} [key=${key}]: it was redirected to another bucket while its object was put`);
    this.name = 'SegmentRedirected';
  }
}

export interface SegmentUploadPorts {
  readonly lane: UploaderLane;
  /** The store of the bucket in which a segment's object is put. */
  readonly storeOf: (record: SealedSegment) => StoreOfBucket;
  readonly spool: Pick<SpoolFiles, 'open' | 'mark' | 'unmark' | 'remove'>;
  readonly builder: Pick<ObjectBuilder, 'build'>;
  readonly wallMs: () => number;
  readonly receiptsMax: number;
  /** Whether a manifest has to list the object. */
  readonly manifests: boolean;
  /** Starts the span of this try; null: none of the segment's requests is sampled. Absent: nothing is traced. */
  readonly trace?: (record: SealedSegment) => UploadSpan | null;
}

export type UploadResult =
  | {
      readonly kind: 'committed';
      readonly receipt: Receipt;
      readonly source: 'spool' | 'chunks';
      /** The object was in the bucket already: an earlier try had succeeded. */
      readonly existed: boolean;
    }
  /** The segment was committed before. */
  | { readonly kind: 'gone' };

/**
 * Puts a sealed segment into the bucket and commits it. It depends on the record alone: every try of every uploader puts
 * the same bytes under the same key. Throws whatever the queue shall retry.
 */
export async function uploadSegment(
  segmentId: string,
  ports: SegmentUploadPorts,
  signal: AbortSignal,
): Promise<UploadResult> {
  const record = await ports.lane.record(segmentId);
  if (record === null) return { kind: 'gone' };
  return traced(record, ports, async () => {
    const found = await objectBody(record, ports);
    if (found === null) return { kind: 'gone' };
    return putAndCommit(record, found, ports, signal);
  });
}

/**
 * The same for a segment that was spilled into the spool directory of this uploader. Its file is the only copy: without it
 * there is nothing to put, unless an earlier try has stored the object.
 * @throws SpilledFileMissing, and whatever the queue shall retry
 */
export async function uploadSpilled(
  segmentId: string,
  ports: SegmentUploadPorts,
  signal: AbortSignal,
): Promise<UploadResult> {
  const record = await ports.lane.spilledRecord(segmentId);
  if (record === null) return { kind: 'gone' };
  return traced(record, ports, async () => {
    const file = await ports.spool.open(record); // rule: spill.keeps-file
    if (file !== null) {
      const object = await objectOf(record, file, ports.builder);
      return putAndCommit(record, { object, source: 'spool' }, ports, signal);
    }
    const isRouted = record.v !== RECORD_VERSION;
    const { store } = ports.storeOf(record);
    const stored = await store.find(record.key, record.sha256, signal, isRouted).catch((error: unknown) => {
      throw error instanceof ObjectStoreError && error.code === 'unseen'
        ? new SpilledFileMissing(record, error)
        : error;
    });
    if (stored === null) throw new SpilledFileMissing(record);
    const { etag, objectBytes, checksum = null } = stored;
    return commit(
      record,
      { etag, found: { objectBytes, checksum }, objectBytes, source: 'spool', existed: true },
      ports,
    );
  });
}

async function traced(
  record: SealedSegment,
  { trace }: SegmentUploadPorts,
  upload: () => Promise<UploadResult>,
): Promise<UploadResult> {
  const span = trace?.(record) ?? null;
  if (span === null) return upload();
  try {
    const result = await upload();
    span.ended(result);
    return result;
  } catch (error) {
    span.failed(error);
    throw error;
  }
}

async function putAndCommit(
  record: SealedSegment,
  { object, source }: { object: ObjectBody; source: 'spool' | 'chunks' },
  ports: SegmentUploadPorts,
  signal: AbortSignal,
): Promise<UploadResult> {
  const { objectBytes } = object;
  const own = { objectBytes, checksum: crc32Checksum(object.crc32) };
  try {
    const put = ports.storeOf(record).store.put(
      {
        key: record.key,
        body: object.body,
        range: object.range,
        objectBytes,
        crc32: object.crc32,
        contentType: contentType(record.compression),
        contentHash: record.sha256,
        segmentId: record.id,
        ...optionsOf(record, ports.wallMs()),
      },
      signal,
    );
    const { etag, existed, found = null } = await put; // rule: upload.stored-first
    return await commit(record, { etag, found: existed ? found : own, objectBytes, source, existed }, ports);
  } finally {
    await object.release?.();
  }
}

/** What a record of version 2 says about the PUT. A time of a lock that has passed would be refused for ever. */
function optionsOf(record: SealedSegment, nowMs: number): Partial<ObjectToPut> {
  if (record.v === RECORD_VERSION) return {};
  const { tags, metadata, lockUntilMs } = record;
  return {
    tags,
    metadata,
    describe: true,
    ...(lockUntilMs !== undefined && lockUntilMs > nowMs ? { lockUntilMs } : {}),
  };
}

interface StoredPut {
  readonly etag: string;
  /** The object in the store; null: the credentials do not allow looking at it. */
  readonly found: FoundObject | null;
  readonly objectBytes: number;
  readonly source: 'spool' | 'chunks';
  readonly existed: boolean;
}

/** The object is in the bucket: only now may its chunks leave Redis, and its file the disk. */
async function commit(
  record: SealedSegment,
  put: StoredPut,
  { lane, spool, storeOf, wallMs, receiptsMax, manifests }: SegmentUploadPorts,
): Promise<UploadResult> {
  const receipt = receiptOf(record, put, wallMs());
  // Before the commit: after it, a marked file would look like one whose record Redis has lost.
  await spool.unmark(record);
  const { place } = storeOf(record);
  const answer = await lane.commit(receipt, receiptsMax, manifests ? destinationOf(record) : undefined, place);
  if (answer === 'redirected') {
    // Its object is not where its record says: the file of a spilled segment is the only copy again.
    if ((await lane.spilledRecord(record.id)) !== null) await spool.mark(record);
    throw new SegmentRedirected(record);
  }
  await spool.remove(record);
  if (answer === 'gone') return { kind: 'gone' };
  return { kind: 'committed', receipt, source: put.source, existed: put.existed };
}

/** The object that a segment file holds; made anew if the file is compressed in another way than the object. */
async function objectOf(
  record: SealedSegment,
  file: ObjectBody,
  builder: SegmentUploadPorts['builder'],
): Promise<ObjectBody> {
  const spooled = spoolCompressionOf(record);
  return spooled === record.compression ? file : builder.build(record, plainContent(file, spooled));
}

/** Null: another process committed or spilled the segment meanwhile. */
async function objectBody(
  record: SegmentRecord,
  { lane, spool, builder }: SegmentUploadPorts,
): Promise<{ object: ObjectBody; source: 'spool' | 'chunks' } | null> {
  const file = await spool.open(record);
  if (file) return { object: await objectOf(record, file, builder), source: 'spool' };
  try {
    return { object: await builder.build(record, contentOf(lane, record)), source: 'chunks' };
  } catch (error) {
    if (error instanceof ChunkMissing && !(await lane.hasRecord(record.id))) return null;
    throw error;
  }
}

function receiptOf(record: SealedSegment, { etag, found, objectBytes }: StoredPut, storedAtMs: number): Receipt {
  const { id, key, count, bytes, sha256, acceptedAtMs, sealedAtMs } = record;
  if (record.v === RECORD_VERSION) {
    return {
      v: RECEIPT_VERSION,
      id,
      key,
      etag,
      count,
      bytes,
      objectBytes,
      sha256,
      acceptedAtMs,
      sealedAtMs,
      storedAtMs,
    };
  }
  const { bucket, route, path } = record;
  return {
    ...{ v: ROUTED_RECEIPT_VERSION, id, bucket, key, route, path, etag, count, bytes },
    ...{ objectBytes: found?.objectBytes ?? null, checksum: found?.checksum ?? null },
    ...{ sha256, acceptedAtMs, sealedAtMs, storedAtMs },
  };
}
