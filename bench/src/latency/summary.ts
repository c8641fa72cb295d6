import type { Figure, Goal, Table } from '../report/figure.ts';
import { median, type Percentiles } from '../report/statistics.ts';

const GOALS: Readonly<Record<keyof Percentiles, Goal | null>> = {
  p50: { atMost: 2 },
  p99: { atMost: 10 },
  p999: { atMost: 50 },
  max: null,
};
const NAMES: readonly (readonly [keyof Percentiles, string])[] = [
  ['p50', 'p50'],
  ['p99', 'p99'],
  ['p999', 'p99.9'],
  ['max', 'most'],
];

interface Latencies {
  readonly latencyMs: Percentiles;
  readonly sendLagMs: Percentiles;
}

/** One run: both servers got half of the highest rate that the sink had just reached. */
export interface LatencyRun {
  readonly topEventsPerSecond: number;
  readonly requestsPerSecond: number;
  readonly bare: Latencies;
  readonly sink: Latencies;
  /** One append after the other on an idle Redis: the least time that every 202 waits. */
  readonly appendMs: Percentiles;
}

/** The median of each percentile over the runs. */
export function latencyTable(title: string, runs: readonly LatencyRun[]): Table {
  const over = (figure: (run: LatencyRun) => number): number => median(runs.map(figure));
  const figures: Figure[] = [];
  for (const [column, side] of [['bare server', 'bare'] as const, ['sink', 'sink'] as const]) {
    figures.push({ row: 'sent, requests/s', column, value: over((run) => run.requestsPerSecond) });
    for (const [key, name] of NAMES) {
      const goal = side === 'sink' ? GOALS[key] : null;
      const value = over((run) => run[side].latencyMs[key]);
      figures.push({ row: `latency, ${name}, ms`, column, value, ...(goal === null ? {} : { goal }) });
    }
    for (const [key, name] of NAMES) {
      figures.push({
        row: `of it before it was sent, ${name}, ms`,
        column,
        value: over((run) => run[side].sendLagMs[key]),
      });
    }
  }
  figures.push({ row: 'top rate, requests/s', column: 'sink', value: over((run) => run.topEventsPerSecond) });
  for (const [key, name] of NAMES) {
    figures.push({
      row: `latency, ${name}, ms`,
      column: 'one append in Redis',
      value: over((run) => run.appendMs[key]),
    });
  }
  return { title, figures };
}
