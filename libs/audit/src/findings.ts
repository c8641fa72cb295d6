/** What can be wrong. Each is a broken promise of the sink, or the work of somebody else on its bucket. */
export const PROBLEMS = {
  missing: 'has a receipt, and is not in the bucket',
  changed: 'is not the object that was put: its size or ETag differs',
  unreceipted: 'is in the bucket, and has no receipt',
  doubled: 'begins with the same event as another object',
  damaged: 'does not hold what its receipt says',
  repeated: 'holds an event that stands in another place too',
} as const;
export type Problem = keyof typeof PROBLEMS;

export interface Finding {
  readonly problem: Problem;
  readonly key: string;
  readonly detail: string;
}

/** Findings that are named; more are counted. */
const NAMED_MAX = 1_000;

/** What an audit found. All of it is counted, the first thousand of each problem are named. */
export class Findings {
  readonly named: Finding[] = [];
  readonly counts: Record<Problem, number> = {
    ...{ missing: 0, changed: 0, unreceipted: 0, doubled: 0, damaged: 0, repeated: 0 },
  };

  add(problem: Problem, key: string, detail: string): void {
    this.counts[problem] += 1;
    if (this.counts[problem] <= NAMED_MAX) this.named.push({ problem, key, detail });
  }

  get total(): number {
    return Object.values(this.counts).reduce((sum, count) => sum + count, 0);
  }
}
