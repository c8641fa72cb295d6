export { assertNever } from './assert-never.ts';
export {
  APPEND_ENTRIES_MAX,
  byteOfLine,
  CHUNK_BYTES_MAX,
  CHUNK_EVENTS_MAX,
  CHUNK_VERSION,
  chunkVersion,
  isOlderChunk,
  lineRun,
  ROUTED_CHUNK_VERSION,
} from './chunk.ts';
export type { Chunk, LineRun } from './chunk.ts';
export { DEFAULT_ROUTE, destinationKey, isBuiltInRoute, isPlain, isRoute } from './destination.ts';
export { isSafePath, PATH_BYTES_MAX, QUARANTINE_ROUTE } from './destination.ts';
export type { Destination } from './destination.ts';
export { destinationOfList, listOf, manifestContent, manifestKey, parseManifestKey, UNLISTED_MAX } from './manifest.ts';
export {
  evidenceBytes,
  evidenceHeader,
  evidenceId,
  evidenceLine,
  evidenceRawHeaders,
  EvidenceUnreadable,
  ID_RANDOM_BYTES,
  parseEvidence,
} from './evidence.ts';
export type { Evidence, EvidenceHeader, RefusedEvent, RefusedRequest } from './evidence.ts';
export type { Manifest } from './manifest.ts';
export {
  compressionOfKey,
  laneUidOfKey,
  contentType,
  isCompression,
  keyBytesMax,
  objectKey,
  parseObjectKey,
  prefixOfObjectKey,
} from './object-key.ts';
export type { Compression, ParsedKey } from './object-key.ts';
export { partitionAt, partitionSpan } from './partition.ts';
export type { PartitionSpan, TimeInterval } from './partition.ts';
export { privateModes } from './private-modes.ts';
export type { PrivateModes } from './private-modes.ts';
export { crc32Checksum, parseReceipt, RECEIPT_VERSION, ReceiptUnreadable, ROUTED_RECEIPT_VERSION } from './receipt.ts';
export type { ObjectChecksum, PlainReceipt, Receipt, RoutedReceipt } from './receipt.ts';
export { backoffMs, isRetryable } from './retry.ts';
export type { Backoff } from './retry.ts';
export { builtInRoutes } from './routes.ts';
export type { RouteRules, Routes } from './routes.ts';
export {
  evidenceTimeMs,
  isEvidenceId,
  parseRetryMarkerKey,
  RETRIES_FOLDER,
  retryMarkerKey,
  retryMarkerStart,
} from './retry-marker.ts';
export type { RetryMarkerName, RetryState } from './retry-marker.ts';
export {
  destinationOf,
  parseRecord,
  parseSpilledRecord,
  RECORD_VERSION,
  RecordUnreadable,
  ROUTED_RECORD_VERSION,
  SEGMENT_SLICES_MAX,
  spilledRecord,
  spoolCompressionOf,
} from './segment.ts';
export type { PlainSegment, RoutedSegment, SealedSegment, SegmentRecord, Slice, SpilledRecord } from './segment.ts';
