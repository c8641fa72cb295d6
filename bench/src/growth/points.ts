import type { Sent } from '../load/traffic.ts';
import type { BenchContext } from '../scenario.ts';
import { startBareServer } from '../sink/processes.ts';
import { measureBare, measureSink } from '../throughput/runs.ts';
import { type GrowthPoint, wholeMicros } from './cost.ts';

/** Of load at each point: what is asked is by how much they differ, and each is held against the others of the run. */
const SECONDS_MAX = 5;
/** At 64 KB an event, more comes in than gzip takes meanwhile. */
const REDIS_MAXMEMORY = '8gb';

interface GrowthLoad {
  readonly column: string;
  readonly sent: Sent;
  readonly connections: number;
}

/** One load after the other, each on the bare server and then on the sink. One sink for all of them. */
export async function measuredPoints(
  { load, settings, say, startSink }: BenchContext,
  what: string,
  loads: readonly GrowthLoad[],
): Promise<GrowthPoint[]> {
  const server = await startBareServer();
  const sink = await startSink(`growth ${what}`, { redisMaxmemory: REDIS_MAXMEMORY });
  const points: GrowthPoint[] = [];
  try {
    const [first] = loads;
    if (first !== undefined) {
      const warmUp = { connections: settings.connections, seconds: settings.warmUpSeconds };
      await measureBare(server, load, first.sent, warmUp);
      await measureSink(sink, load, first.sent, warmUp);
    }
    for (const { column, sent, connections } of loads) {
      const size = { connections, seconds: Math.min(settings.seconds, SECONDS_MAX) };
      const bare = await measureBare(server, load, sent, size);
      const point = { column, bare, sink: await measureSink(sink, load, sent, size) };
      points.push(point);
      say(`growth, ${what}, ${column}: ${wholeMicros(point).toFixed(1)} µs an event`);
    }
  } catch (cause) {
    throw new Error(`measuring growth by ${what}: ${String(cause)}\n${sink.logs()}`, { cause });
  } finally {
    await Promise.all([sink.stop(), server.process.kill()]);
  }
  return points;
}
