/** What can be wrong. Each is a broken promise of the sink, or a change of its bucket by another program. */
export const PROBLEMS = {
  missing: 'has a receipt, and is not in the bucket',
  changed: 'is not the object that was put: its size or ETag differs',
  unreceipted: 'is in the bucket, and has no receipt',
  doubled: 'begins with the same event as another object',
  damaged: 'does not hold what its receipt says',
  repeated: 'is stored more than once',
} as const;
export type Problem = keyof typeof PROBLEMS;

export interface Finding {
  readonly problem: Problem;
  readonly key: string;
  readonly detail: string;
}

/** The findings of each problem that are named; the others are only counted. */
const NAMED_MAX = 1_000;

/** The result of an audit: the number of findings, and the first thousand of each problem by name. */
export class Findings {
  readonly named: Finding[] = [];
  readonly counts: Record<Problem, number> = {
    missing: 0,
    changed: 0,
    unreceipted: 0,
    doubled: 0,
    damaged: 0,
    repeated: 0,
  };

  add(problem: Problem, key: string, detail: string): void {
    this.counts[problem] += 1;
    if (this.counts[problem] <= NAMED_MAX) this.named.push({ problem, key, detail });
  }

  get total(): number {
    return Object.values(this.counts).reduce((sum, count) => sum + count, 0);
  }
}
