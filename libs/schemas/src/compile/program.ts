/** A compiled schema, in a form that goes from one thread to another. */
export interface Program {
  /** The body of a function that is given `module`, `require`, `regExp` and `formats`. */
  readonly code: string;
  /** Regular expressions of the schema, with what they are in RE2; null: only JavaScript's engine can do them. */
  readonly patterns: readonly (readonly [source: string, linear: string | null])[];
  readonly cost: Cost;
}

/** What an evaluation takes at most, in steps of some nanoseconds at worst. */
export interface Cost {
  /** Steps for each byte of the data; Infinity: nobody knows. */
  readonly perByte: number;
  /** Steps for each pair of bytes. */
  readonly perPair: number;
}

/** Some milliseconds at worst. */
const INLINE_STEPS_MAX = 16_000_000;
const INLINE_DATA_BYTES_MAX = 256 * 1024;
/** The smallest items, `1,`, take two bytes each, and each pair is compared once. */
const BYTES_OF_PAIR = 8;

/** Whether an evaluation is short for certain, whatever schema and data contain: then it needs no thread of its own. */
export function isShort({ perByte, perPair }: Cost, dataBytes: number): boolean {
  if (dataBytes > INLINE_DATA_BYTES_MAX || perByte === Infinity) return false;
  return perByte * dataBytes + (perPair * dataBytes * dataBytes) / BYTES_OF_PAIR <= INLINE_STEPS_MAX;
}
