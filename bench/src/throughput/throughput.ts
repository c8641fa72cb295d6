import { traffic, type TrafficName } from '../load/traffic.ts';
import type { ScenarioReport } from '../report/figure.ts';
import type { BenchContext } from '../scenario.ts';
import { startBareServer } from '../sink/processes.ts';
import { type BareRun, measureBare, measureSink, type SinkRun } from './runs.ts';
import { memoryProblems, summarise, throughputTables, type ThroughputSummary } from './summary.ts';

/** A run of the bare server, and the run of the sink directly after it. */
interface PairOfRuns {
  readonly bare: BareRun;
  readonly sink: SinkRun;
}

export interface ThroughputRuns {
  readonly name: TrafficName;
  readonly title: string;
  readonly eventsPerMessage: number;
  readonly runs: readonly PairOfRuns[];
}

interface ThroughputReport extends ThroughputRuns, ScenarioReport {
  readonly name: TrafficName;
  readonly summary: ThroughputSummary;
}

/** One kind of traffic, as fast as 128 connections can send it. */
export async function throughput(name: TrafficName, context: BenchContext): Promise<ThroughputReport> {
  const result = await throughputRuns(name, context);
  const summary = summarise(result);
  // Bodies of 16 MiB take memory of their own: the tables show how much.
  const problems = name === 'large-batch' ? [] : memoryProblems(summary);
  for (const problem of problems) context.fail(`${result.title}: ${problem}`);
  return { ...result, tables: throughputTables(name, result.title, summary), summary };
}

/**
 * One scenario, with a sink and a bare server of its own. Both are warmed up and then run by turns, so that other work
 * on the machine affects both alike. The bare server gets one event a request, even beside batches.
 */
export async function throughputRuns(
  name: TrafficName,
  { load, settings: given, startSink, say }: Omit<BenchContext, 'fail'>,
): Promise<ThroughputRuns> {
  const sent = traffic(name);
  const settings = { ...given, connections: Math.min(given.connections, sent.connectionsMax ?? Infinity) };
  const floor = sent.eventsPerMessage === 1 ? sent : traffic('binary');
  const server = await startBareServer();
  const sink = await startSink(name, { settings: sent.settings });
  const runs: PairOfRuns[] = [];
  try {
    say(`${sent.title}: warm-up`);
    const warmUp = { ...settings, seconds: settings.warmUpSeconds };
    await measureBare(server, load, floor, warmUp);
    await measureSink(sink, load, sent, warmUp);
    while (runs.length < settings.runs) {
      const bare = await measureBare(server, load, floor, settings);
      const run = await measureSink(sink, load, sent, settings);
      runs.push({ bare, sink: run });
      const share = (run.eventsPerCpuSecond / bare.requestsPerCpuSecond).toFixed(2);
      say(`  run ${runs.length} of ${settings.runs}: ${share} events for each request of the bare server`);
    }
  } catch (cause) {
    throw new Error(`measuring ${sent.title}: ${String(cause)}\n${sink.logs()}`, { cause });
  } finally {
    await Promise.all([sink.stop(), server.process.kill()]);
  }
  return { name, title: sent.title, eventsPerMessage: sent.eventsPerMessage, runs };
}
