import type { Figure } from './figure.ts';

/** Less is no fault. */
const TIMES_MAX = 1.1;

/**
 * How much dearer than in the reference column, with 1 for as dear.
 * @throws when the reference is not among them
 */
export function growthFigures<P extends { readonly column: string }>(
  row: string,
  points: readonly P[],
  reference: string,
  cost: (point: P) => number,
): Figure[] {
  const base = points.find(({ column }) => column === reference);
  if (base === undefined) throw new Error(`comparing with ${reference}: it was not measured`);
  return points.map((point) => ({
    row,
    column: point.column,
    value: cost(point) / cost(base),
    goal: { atMost: TIMES_MAX },
  }));
}
