import { contentType, type Receipt, RECEIPT_VERSION, type SegmentRecord } from '@sink/domain';
import type { Lane } from '@sink/lane';
import type { ObjectStore } from '@sink/objects';
import type { ObjectBody, ObjectBuilderPort, SpoolFilesPort } from './ports.ts';
import { ChunkMissing, contentOf } from './rebuild.ts';

export interface UploadPorts {
  readonly lane: Lane;
  readonly store: ObjectStore;
  readonly spool: SpoolFilesPort;
  readonly builder: ObjectBuilderPort;
  readonly wallMs: () => number;
  readonly receiptsMax: number;
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
  const { lane, store, spool } = ports;
  const record = await lane.record(segmentId);
  if (record === null) return { kind: 'gone' };
  const found = await objectBody(record, ports);
  if (found === null) return { kind: 'gone' };
  const { object, source } = found;
  try {
    const { etag, existed } = await store.put(
      {
        key: record.key,
        body: object.body,
        objectBytes: object.objectBytes,
        crc32: object.crc32,
        contentType: contentType(record.compression),
        contentHash: record.sha256,
        segmentId,
      },
      signal,
    );
    const receipt = receiptOf(record, etag, object.objectBytes, ports.wallMs());
    // The object stands in the bucket: only now may its chunks leave Redis.
    const answer = await lane.commit(receipt, ports.receiptsMax);
    await spool.remove(record);
    return answer === 'gone' ? { kind: 'gone' } : { kind: 'committed', receipt, source, existed };
  } finally {
    await object.release?.();
  }
}

/** Null: the segment was committed while we looked for it. */
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

function receiptOf(record: SegmentRecord, etag: string, objectBytes: number, storedAtMs: number): Receipt {
  const { id, key, count, bytes, sha256, acceptedAtMs, sealedAtMs } = record;
  return {
    v: RECEIPT_VERSION,
    ...{ id, key, etag, count, bytes, objectBytes, sha256, acceptedAtMs, sealedAtMs, storedAtMs },
  };
}
