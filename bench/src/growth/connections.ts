import { traffic } from '../load/traffic.ts';
import type { Table } from '../report/figure.ts';
import { growthFigures } from '../report/growth.ts';
import type { BenchContext } from '../scenario.ts';
import { costFigures, type GrowthPoint, wholeMicros } from './cost.ts';
import { measuredPoints } from './points.ts';

const CONNECTIONS = [1, 10, 128, 1_000, 10_000];
const REFERENCE = '128';
/** As many connections as in the reference, each of which the server closes after one event. */
const ONE_EVENT_EACH = 'one event each';

export async function connectionCounts(
  context: BenchContext,
): Promise<{ table: Table; points: readonly GrowthPoint[] }> {
  const sent = traffic('binary');
  const closing = sent.messages.map(({ headers, body }) => ({ headers: { ...headers, connection: 'close' }, body }));
  const points = await measuredPoints(context, 'connections', [
    ...CONNECTIONS.map((connections) => ({ column: String(connections), sent, connections })),
    { column: ONE_EVENT_EACH, sent: { eventsPerMessage: 1, messages: closing }, connections: Number(REFERENCE) },
  ]);
  const figures = [
    ...points.flatMap(costFigures),
    ...growthFigures(`CPU an event, to that at ${REFERENCE}`, points, REFERENCE, wholeMicros).filter(
      ({ column }) => column !== ONE_EVENT_EACH,
    ),
  ];
  return { table: { title: 'growth: connections', figures }, points };
}
