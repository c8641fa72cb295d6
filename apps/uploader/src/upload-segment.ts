import { contentType, type Receipt, RECEIPT_VERSION, type SealedSegment, type SegmentRecord } from '@sink/domain';
import type { UploaderLane } from '@sink/lane';
import type { ObjectStore } from '@sink/objects';
import type { ObjectBody, ObjectBuilderPort, SpoolFilesPort } from './ports.ts';
import { ChunkMissing, contentOf } from './rebuild.ts';
import { SpilledFileMissing } from './spilled-file-missing.ts';

export interface UploadPorts {
  readonly lane: UploaderLane;
  readonly store: ObjectStore;
  readonly spool: SpoolFilesPort;
  readonly builder: ObjectBuilderPort;
  readonly wallMs: () => number;
  readonly receiptsMax: number;
  /** A manifest has to list the object. */
  readonly manifests: boolean;
}

export type UploadResult =
  | {
      readonly kind: 'committed';
      readonly receipt: Receipt;
      readonly source: 'spool' | 'chunks';
      /** The object stood there already: an earlier try had come through. */
      readonly existed: boolean;
    }
  /** There was nothing left to do: it was committed before. */
  | { readonly kind: 'gone' };

/**
 * Puts a sealed segment into the bucket and commits it. It depends on nothing but the record: the same key and the same
 * bytes at every try, from any uploader. Throws for whatever is to be tried again.
 */
export async function uploadSegment(segmentId: string, ports: UploadPorts, signal: AbortSignal): Promise<UploadResult> {
  const record = await ports.lane.record(segmentId);
  if (record === null) return { kind: 'gone' };
  const found = await objectBody(record, ports);
  if (found === null) return { kind: 'gone' };
  return putAndCommit(record, found, ports, signal);
}

/**
 * The same for a segment that was spilled into the spool directory of this uploader. Its file is the only copy, so without
 * it there is nothing to put: unless an earlier try came through.
 * @throws SpilledFileMissing, and whatever is to be tried again
 */
export async function uploadSpilled(segmentId: string, ports: UploadPorts, signal: AbortSignal): Promise<UploadResult> {
  const record = await ports.lane.spilledRecord(segmentId);
  if (record === null) return { kind: 'gone' };
  const object = await ports.spool.open(record); // rule: spill.keeps-file
  if (object !== null) return putAndCommit(record, { object, source: 'spool' }, ports, signal);
  const stored = await ports.store.find(record.key, record.sha256, signal);
  if (stored === null) throw new SpilledFileMissing(record);
  return commit(record, { ...stored, source: 'spool', existed: true }, ports);
}

async function putAndCommit(
  record: SealedSegment,
  { object, source }: { object: ObjectBody; source: 'spool' | 'chunks' },
  ports: UploadPorts,
  signal: AbortSignal,
): Promise<UploadResult> {
  const { objectBytes } = object;
  try {
    const put = ports.store.put(
      {
        key: record.key,
        body: object.body,
        objectBytes,
        crc32: object.crc32,
        contentType: contentType(record.compression),
        contentHash: record.sha256,
        segmentId: record.id,
      },
      signal,
    );
    const { etag, existed } = await put; // rule: upload.stored-first
    return await commit(record, { etag, objectBytes, source, existed }, ports);
  } finally {
    await object.release?.();
  }
}

/** The object stands in the bucket: only now may its chunks leave Redis, and its file the disk. */
async function commit(
  record: SealedSegment,
  put: { etag: string; objectBytes: number; source: 'spool' | 'chunks'; existed: boolean },
  { lane, spool, wallMs, receiptsMax, manifests }: UploadPorts,
): Promise<UploadResult> {
  const receipt = receiptOf(record, put.etag, put.objectBytes, wallMs());
  // Before the commit: a marked file that Redis knows nothing of would be taken for one whose record was lost.
  await spool.unmark(record);
  const answer = await (manifests
    ? lane.commit(receipt, receiptsMax, record.partition)
    : lane.commit(receipt, receiptsMax));
  await spool.remove(record);
  if (answer === 'gone') return { kind: 'gone' };
  return { kind: 'committed', receipt, source: put.source, existed: put.existed };
}

/** Null: the segment was committed or spilled while we looked for it. */
async function objectBody(
  record: SegmentRecord,
  { lane, spool, builder }: UploadPorts,
): Promise<{ object: ObjectBody; source: 'spool' | 'chunks' } | null> {
  const file = await spool.open(record);
  if (file) return { object: file, source: 'spool' };
  try {
    return { object: await builder.build(record, contentOf(lane, record)), source: 'chunks' };
  } catch (error) {
    if (error instanceof ChunkMissing && !(await lane.hasRecord(record.id))) return null;
    throw error;
  }
}

function receiptOf(record: SealedSegment, etag: string, objectBytes: number, storedAtMs: number): Receipt {
  const { id, key, count, bytes, sha256, acceptedAtMs, sealedAtMs } = record;
  return {
    v: RECEIPT_VERSION,
    ...{ id, key, etag, count, bytes, objectBytes, sha256, acceptedAtMs, sealedAtMs, storedAtMs },
  };
}
