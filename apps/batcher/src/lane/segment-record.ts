import { isPlain, objectKey, RECORD_VERSION, ROUTED_RECORD_VERSION, type SegmentRecord } from '@sink/domain';
import type { SegmentContent } from '@sink/spool';
import type { SegmentTrace } from '@sink/tracing';
import type { OpenSegment, SegmentFormat } from './open-segment.ts';

export interface SealFacts {
  readonly format: SegmentFormat;
  readonly laneUid: string;
  /** The instance in whose folder the file is. */
  readonly spool: string;
  readonly sealedAtMs: number;
  /** Null: none of the segment's requests is sampled. */
  readonly trace: SegmentTrace | null;
}

/**
 * The record of a segment, in version 1 where that can say it: an older release goes on with it after a rollback
 * (docs/adr/0033).
 */
export function segmentRecord(
  segment: OpenSegment,
  content: Pick<SegmentContent, 'contentBytes' | 'sha256'>,
  { format, laneUid, spool, sealedAtMs, trace }: SealFacts,
): SegmentRecord {
  const { segmentId: id, destination, rules, slices, count, acceptedAtMs } = segment;
  const { compression, compressionLevel } = format;
  const { route, path } = destination;
  const { contentBytes: bytes, sha256 } = content;
  const [first] = slices;
  if (!first) throw new Error(`closing segment ${id}: it is empty`);
  const key = objectKey({ prefix: rules.prefix, path, laneUid, first, sha256, compression });
  const level = compressionLevel === undefined ? {} : { compressionLevel };
  const facts = { spool, acceptedAtMs, sealedAtMs, ...(trace !== null && { trace }) };
  const { bucket, tags, metadata, lockForMs } = rules;
  const keepsMore = tags !== undefined || metadata !== undefined || lockForMs !== undefined;
  const isVersion1 = isPlain(destination) && !keepsMore; // rule: segment.version-1
  if (isVersion1) {
    return {
      v: RECORD_VERSION,
      id,
      key,
      partition: path,
      slices,
      count,
      bytes,
      sha256,
      compression,
      ...level,
      ...facts,
    };
  }
  return {
    ...{ v: ROUTED_RECORD_VERSION, id, bucket, key, route, path, slices, count, bytes, sha256 },
    ...{ format: 'jsonl', compression, ...level, spoolCompression: compression },
    ...(tags === undefined ? {} : { tags }),
    ...(metadata === undefined ? {} : { metadata }),
    ...(lockForMs === undefined ? {} : { lockUntilMs: sealedAtMs + lockForMs }),
    ...facts,
  };
}
