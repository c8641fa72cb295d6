import type { Sent } from '../load/traffic.ts';
import type { BenchContext } from '../scenario.ts';
import { startBareServer } from '../sink/processes.ts';
import { measureBare, measureSink } from '../throughput/runs.ts';
import { type GrowthPoint, wholeMicros } from './cost.ts';

/** Seconds of load at each point. The question is how much the points of one run differ from each other. */
const SECONDS_MAX = 5;
/** At 64 KB an event, more bytes arrive than gzip can compress meanwhile. */
const REDIS_MAXMEMORY = '8gb';

interface GrowthLoad {
  readonly column: string;
  readonly sent: Sent;
  readonly connections: number;
}

/** Runs one load after the other, each on the bare server and then on the same sink. */
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
