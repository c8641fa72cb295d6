import type { Figure, Goal } from '../report/figure.ts';
import { median, slope } from '../report/statistics.ts';
import { SERVICES } from '../sink/service.ts';
import type { RssSample, WatchedMemory } from './samples.ts';

const RSS_MB: Goal = { atMost: 200 };

export interface MemoryResult extends WatchedMemory {
  readonly title: string;
}

/**
 * The memory of each service: first, middle and last tenth of the time, the highest, and the trend of the second half.
 */
export function memoryFigures({ title, samples, rssPeakBytes }: MemoryResult): Figure[] {
  const tenth = Math.max(1, Math.floor(samples.length / 10));
  const middle = Math.floor((samples.length - tenth) / 2);
  const parts: readonly (readonly [string, readonly RssSample[]])[] = [
    ['at the start', samples.slice(0, tenth)],
    ['in the middle', samples.slice(middle, middle + tenth)],
    ['at the end', samples.slice(-tenth)],
  ];
  return SERVICES.flatMap((column) => {
    const megabytes = (sample: RssSample): number => sample.bytes[column] / 1e6;
    const secondHalf = samples.slice(Math.floor(samples.length / 2));
    return [
      ...parts.map(([when, part]) => ({ row: `${title}: ${when}, MB`, column, value: median(part.map(megabytes)) })),
      { row: `${title}: most, MB`, column, value: rssPeakBytes[column] / 1e6, goal: RSS_MB },
      {
        row: `${title}: growth in the second half, MB a minute`,
        column,
        value: slope(secondHalf.map((sample) => ({ x: sample.atSeconds / 60, y: megabytes(sample) }))),
      },
    ];
  });
}
