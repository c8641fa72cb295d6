import { bytes, duration, integer, optionalDuration } from './field.ts';

const GIB = 1024 ** 3;

/** When an object is closed: keys of the top level, and of each of `routes`. */
export const sizeKeys = {
  flush_size: integer(1, 10_000_000, 1000, 'The number of events at which the batcher closes an object.'),
  flush_bytes: bytes(1, 4 * GIB, '128MiB', 'The size at which the batcher closes an object, before compression.'),
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
