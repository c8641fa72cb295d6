import type { Sampling } from './environment.ts';
import type { RemoteSpan } from './port.ts';

/** The random part of a trace id is its last 56 bits (W3C Trace Context 2, section 3.2.2.3); a number holds the first 52. */
const RANDOM_FROM_DIGIT = 18;
const RANDOM_TO_DIGIT = 31;
const RANDOM_VALUES = 2 ** 52;

/**
 * Decides which requests are recorded, before anything is made for them. The samplers of the SDK decide by a trace id, which
 * it makes for every request: with 1 % sampled, the other 99 would cost more than that one.
 *
 * @param random uniform in [0, 1): decides about traces that begin here
 */
export function sampler(sampling: Sampling, random: () => number): (parent: RemoteSpan | null) => boolean {
  const { parentBased, root } = sampling;
  return (parent) => {
    if (parent !== null && parentBased) return parent.sampled;
    if (root.kind !== 'ratio') return root.kind === 'on';
    return parent === null ? random() < root.ratio : isWithin(parent.traceId, root.ratio);
  };
}

/** The same for a trace in every process: what a lower ratio samples, a higher one samples too. */
function isWithin(traceId: string, ratio: number): boolean {
  const value = Number.parseInt(traceId.slice(RANDOM_FROM_DIGIT, RANDOM_TO_DIGIT), 16);
  return value >= (1 - ratio) * RANDOM_VALUES;
}
