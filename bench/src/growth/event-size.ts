import { sizedTraffic } from '../load/sized-traffic.ts';
import type { Table } from '../report/figure.ts';
import { growthFigures } from '../report/growth.ts';
import type { BenchContext } from '../scenario.ts';
import { costFigures, type GrowthPoint, wholeMicros } from './cost.ts';
import { measuredPoints } from './points.ts';

const SIZES_BYTES: readonly (readonly [string, number])[] = [
  ['100 B', 100],
  ['330 B', 330],
  ['1 KB', 1_024],
  ['8 KB', 8_192],
  ['64 KB', 65_536],
];
/** Larger events cost less a byte, because each event has a fixed cost. The goal is that none costs more a byte. */
const REFERENCE = '330 B';

export async function eventSizes(context: BenchContext): Promise<{ table: Table; points: readonly GrowthPoint[] }> {
  const points = await measuredPoints(
    context,
    'event size',
    SIZES_BYTES.map(([column, bytes]) => ({
      column,
      sent: sizedTraffic(bytes),
      connections: context.settings.connections,
    })),
  );
  const perByte = (point: GrowthPoint): number =>
    (wholeMicros(point) * 1000 * point.sink.stored.events) / point.sink.stored.contentBytes;
  const figures = [
    ...points.flatMap(costFigures),
    ...points.map((point) => ({ row: 'whole sink: CPU ns a byte', column: point.column, value: perByte(point) })),
    ...points.map(({ column, sink }) => ({
      row: 'sink: MB of events/s',
      column,
      value: (sink.eventsPerSecond * sink.stored.contentBytes) / sink.stored.events / 1e6,
    })),
    ...growthFigures(`CPU a byte, to that at ${REFERENCE}`, points, REFERENCE, perByte),
  ];
  return { table: { title: 'growth: size of an event', figures }, points };
}
