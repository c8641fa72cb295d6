import type { ScenarioReport } from '../report/figure.ts';
import type { BenchContext } from '../scenario.ts';
import { connectionCounts } from './connections.ts';
import type { GrowthPoint } from './cost.ts';
import { eventSizes } from './event-size.ts';
import { partitionCounts, type PartitionPoint } from './partitions.ts';

interface GrowthReport extends ScenarioReport {
  readonly points: readonly (GrowthPoint | PartitionPoint)[];
}

/** What an event costs with more connections, partitions and bytes. For more backlog see drain. */
export async function growth(context: BenchContext): Promise<GrowthReport> {
  const parts = [await partitionCounts(context), await eventSizes(context), await connectionCounts(context)];
  return {
    name: 'growth',
    title: 'cost of an event as things grow',
    tables: parts.map(({ table }) => table),
    points: parts.flatMap(({ points }) => [...points]),
  };
}
