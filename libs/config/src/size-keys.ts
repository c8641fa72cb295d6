import { bytes, duration, integer, optionalBytes, optionalDuration } from './field.ts';

const KIB = 1024;
const GIB = 1024 ** 3;
const FLUSH_SIZE_MAX = 10_000_000;
const FLUSH_BYTES_MAX = 4 * GIB;

/** When an object is closed: keys of the top level, and of each of `routes`. */
export const sizeKeys = {
  flush_size: integer(1, FLUSH_SIZE_MAX, 1000, 'The number of events at which the batcher closes an object.'),
  flush_bytes: bytes(
    1,
    FLUSH_BYTES_MAX,
    '128MiB',
    'The size at which the batcher closes an object, before compression.',
  ),
  target_object_size: optionalBytes(
    64 * KIB,
    4 * GIB,
    'The size of an object in the bucket, after compression, at which the batcher closes it. With it, `flush_size` and `flush_bytes` are by default as large as they may be. Default: no such limit.',
  ),
  scheduled_interval: duration(
    100,
    86_400_000,
    60,
    'How long after its first event the batcher closes an object that is not full.',
  ),
  idle_interval: optionalDuration(
    100,
    86_400_000,
    'How long after its last event the batcher closes an object that is not full. Default: only the other limits close it.',
  ),
};

/** What `flush_size` and `flush_bytes` are by default beside `target_object_size`. */
export function unboundedSizes(given: readonly string[]): {
  readonly flushSize?: number;
  readonly flushBytes?: number;
} {
  return {
    ...(given.includes('flush_size') ? {} : { flushSize: FLUSH_SIZE_MAX }),
    ...(given.includes('flush_bytes') ? {} : { flushBytes: FLUSH_BYTES_MAX }),
  };
}
