/**
 * What a lane costs in Redis' memory, so that the limit of the backlog is one of memory and not of payload. Measured on
 * Redis 7.0.15 with jemalloc (`used_memory` per entry); `cost.test.ts` measures the chunk and the record again.
 */

/** A chunk beside its body: the stream's entry, its two counters, its place in the pending list. Measured: 391 to 446. */
const CHUNK_OVERHEAD_BYTES = 450;
/** Up to this size chunks share the nodes of the stream, without loss; a larger one has an allocation of its own. */
const NODE_BYTES = 4_096;
/** What is stored beside the body in that allocation. */
const NODE_HEADER_BYTES = 64;

/** A record beside its JSON: its place in the hash (111 to 580, with its id) and its upload job in BullMQ (1,055). */
export const RECORD_OVERHEAD_BYTES = 1_700;
/** A record's JSON is one allocation, which jemalloc rounds up by a quarter at most (see `sizeClass`). */
export const RECORD_JSON_FACTOR = 1.25;
/** One receipt in the stream of receipts, with the number of its place. Measured: 445 to 460, and the bytes of the prefix. */
export const RECEIPT_MEMORY_BYTES = 512;
/** What a receipt of version 2 needs beyond that, wherever it is. Measured: 198, with a bucket whose name has 63 characters. */
export const ROUTED_RECEIPT_EXTRA_BYTES = 256;
/** One receipt that waits for its manifest, in a hash. Measured: 536 to 612, with prefixes of 0 and 64 bytes. */
export const UNLISTED_MEMORY_BYTES = 640;
/** One fingerprint in a slot of the dedupe window. Measured: 72 to 80; the rest is room for the tables to grow. */
export const FINGERPRINT_MEMORY_BYTES = 96;

/** Bytes of Redis' memory for a chunk with a body of `bodyBytes`, from its append to its commit. */
export function chunkCostBytes(bodyBytes: number): number {
  const node = bodyBytes + NODE_HEADER_BYTES;
  return CHUNK_OVERHEAD_BYTES + (node <= NODE_BYTES ? bodyBytes : sizeClass(node));
}

/** jemalloc rounds up to one of four sizes between two powers of two: up to a quarter on top. */
function sizeClass(bytes: number): number {
  const step = 2 ** (Math.ceil(Math.log2(bytes)) - 3);
  return Math.ceil(bytes / step) * step;
}
