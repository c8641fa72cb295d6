import { OpenLoopLoad, type OpenLoopSummary } from '../load/open-loop.ts';
import { traffic } from '../load/traffic.ts';
import type { ScenarioReport } from '../report/figure.ts';
import type { BenchContext } from '../scenario.ts';
import { startBareServer } from '../sink/processes.ts';
import { measureBare, measureSink } from '../throughput/runs.ts';
import { appendLatency } from './append-latency.ts';
import { type LatencyRun, latencyTable } from './summary.ts';

const TITLE = 'latency at half the top rate';

interface LatencyReport extends ScenarioReport {
  readonly runs: readonly LatencyRun[];
}

/** How long a 202 takes at half of the sink's highest rate, beside the bare server at the same rate. */
export async function latency({ load, settings, say, startSink }: BenchContext): Promise<LatencyReport> {
  const sent = traffic('binary');
  const server = await startBareServer();
  const sink = await startSink('latency');
  const runs: LatencyRun[] = [];
  try {
    say('latency: warm-up');
    const warmUp = { ...settings, seconds: settings.warmUpSeconds };
    await measureBare(server, load, sent, warmUp);
    await measureSink(sink, load, sent, warmUp);
    while (runs.length < settings.runs) {
      const { eventsPerSecond: topEventsPerSecond } = await measureSink(sink, load, sent, settings);
      const requestsPerSecond = Math.round(topEventsPerSecond / 2);
      const paced = new OpenLoopLoad(requestsPerSecond);
      await measureBare(server, paced, sent, settings);
      const bare = paced.summary;
      await measureSink(sink, paced, sent, settings);
      const appendMs = await appendLatency(sink.redisUrl);
      runs.push({ topEventsPerSecond, requestsPerSecond, bare, sink: paced.summary, appendMs });
      say(
        `  run ${runs.length} of ${settings.runs}: ${requestsPerSecond}/s, sink ${text(paced.summary)}, bare ${text(bare)}`,
      );
    }
  } catch (cause) {
    throw new Error(`measuring latency: ${String(cause)}\n${sink.logs()}`, { cause });
  } finally {
    await Promise.all([sink.stop(), server.process.kill()]);
  }
  return { name: 'latency', title: TITLE, tables: [latencyTable(TITLE, runs)], runs };
}

function text({ latencyMs: { p50, p99, p999 } }: OpenLoopSummary): string {
  return `p50 ${p50.toFixed(2)}, p99 ${p99.toFixed(2)}, p99.9 ${p999.toFixed(2)} ms`;
}
