import type { Figure } from './figure.ts';

/** A lower cost also meets the goal. */
const TIMES_MAX = 1.1;

/**
 * The cost of each column relative to that of the reference column.
 * @throws when the reference is missing
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
