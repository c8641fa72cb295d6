import { startOtlpReceiver } from '@sink/testing';
import { traffic, type TrafficName } from '../load/traffic.ts';
import type { Figure, ScenarioReport } from '../report/figure.ts';
import { median } from '../report/statistics.ts';
import type { BenchContext } from '../scenario.ts';
import type { SinkProcesses } from '../sink/processes.ts';
import { measureSink, type SinkRun } from '../throughput/runs.ts';

const TRAFFIC = ['binary', 'batch'] as const satisfies readonly TrafficName[];
/** The share of requests that is sampled. */
const SAMPLED = 0.01;
/** Events per CPU second with 1 % sampled, relative to tracing off. */
const GOAL = { atLeast: 0.97 };

/** Runs with tracing off and with 1 % sampled, one directly after the other. */
interface PairOfRuns {
  readonly off: SinkRun;
  readonly sampled: SinkRun;
}

interface TracingReport extends ScenarioReport {
  readonly runs: Readonly<Record<string, readonly PairOfRuns[]>>;
}

/**
 * What tracing costs: two sinks, one with tracing off and one that exports 1 % of its requests to a collector in this process.
 * They run by turns, and the one that runs first changes, so that other work on the machine affects both alike.
 */
export async function tracing(context: BenchContext): Promise<TracingReport> {
  const { startSink } = context;
  const collector = await startOtlpReceiver();
  const off = await startSink('tracing-off');
  const sampled = await startSink('tracing', {
    settings: {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: String(SAMPLED),
    },
  });
  const runs: Record<string, PairOfRuns[]> = {};
  const figures: Figure[] = [];
  try {
    for (const name of TRAFFIC) {
      const before = collector.spans.length;
      const pairs = await pairsOfRuns(name, { off, sampled }, context);
      runs[name] = pairs;
      figures.push(...figuresOf(traffic(name).title, pairs, collector.spans.length - before));
    }
  } catch (cause) {
    throw new Error(`measuring tracing: ${String(cause)}\n${off.logs()}\n${sampled.logs()}`, { cause });
  } finally {
    await Promise.all([off.stop(), sampled.stop()]);
    await collector.close();
  }
  if (collector.spans.length === 0) context.fail('tracing: no span has arrived, so nothing was measured');
  return { name: 'tracing', title: 'tracing', tables: [{ title: 'tracing', figures }], runs };
}

async function pairsOfRuns(
  name: TrafficName,
  sinks: Readonly<Record<keyof PairOfRuns, SinkProcesses>>,
  { load, settings, say }: BenchContext,
): Promise<PairOfRuns[]> {
  const sent = traffic(name);
  const measure = (kind: keyof PairOfRuns, seconds: number): Promise<SinkRun> =>
    measureSink(sinks[kind], load, sent, { ...settings, seconds });
  say(`tracing, ${sent.title}: warm-up`);
  await measure('off', settings.warmUpSeconds);
  await measure('sampled', settings.warmUpSeconds);
  const pairs: PairOfRuns[] = [];
  while (pairs.length < settings.runs) {
    const isEven = pairs.length % 2 === 0;
    const first = await measure(isEven ? 'off' : 'sampled', settings.seconds);
    const second = await measure(isEven ? 'sampled' : 'off', settings.seconds);
    const pair = isEven ? { off: first, sampled: second } : { off: second, sampled: first };
    pairs.push(pair);
    const share = (pair.sampled.ingestEventsPerCpuSecond / pair.off.ingestEventsPerCpuSecond).toFixed(3);
    say(`  run ${pairs.length} of ${settings.runs}: ingest ${share} of the events per CPU second without tracing`);
  }
  return pairs;
}

function figuresOf(column: string, pairs: readonly PairOfRuns[], spans: number): Figure[] {
  const over = (figure: (pair: PairOfRuns) => number): number => median(pairs.map(figure));
  const ratio = (figure: (run: SinkRun) => number): number => over(({ off, sampled }) => figure(sampled) / figure(off));
  return [
    { row: 'tracing off: ingest, events per CPU second', value: over(({ off }) => off.ingestEventsPerCpuSecond) },
    {
      row: '1 % sampled: ingest, events per CPU second, relative to off',
      value: ratio((run) => run.ingestEventsPerCpuSecond),
      goal: GOAL,
    },
    {
      row: '1 % sampled: whole sink, events per CPU second, relative to off',
      value: ratio((run) => run.eventsPerCpuSecond),
      goal: GOAL,
    },
    { row: 'spans that the collector got', value: spans },
  ].map((figure) => ({ ...figure, column }));
}
