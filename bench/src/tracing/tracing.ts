import { startOtlpReceiver } from '@sink/testing';
import { traffic, type TrafficName } from '../load/traffic.ts';
import type { Figure, ScenarioReport } from '../report/figure.ts';
import { median } from '../report/statistics.ts';
import type { BenchContext } from '../scenario.ts';
import { JointIngests } from '../sink/joint-ingests.ts';
import { type PairOfRuns, pairsOfRuns } from '../sink/pairs-of-runs.ts';

const TRAFFIC = ['binary', 'batch'] as const satisfies readonly TrafficName[];
/** The share of requests that is sampled. */
const SAMPLED = 0.01;
/** Events per CPU second with 1 % sampled, relative to tracing off. */
const GOAL = { atLeast: 0.97 };

interface TracingReport extends ScenarioReport {
  readonly runs: Readonly<Record<string, readonly PairOfRuns[]>>;
}

/**
 * What tracing costs ingest, where every request passes. Both ingests are in one process: two processes of the same code
 * differ by up to a tenth of their CPU time. The spans of the other services belong to segments, not to events.
 */
export async function tracing(context: BenchContext): Promise<TracingReport> {
  const collector = await startOtlpReceiver();
  const ingests = await JointIngests.start({
    off: {},
    sampled: {
      environment: {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
        OTEL_TRACES_SAMPLER_ARG: String(SAMPLED),
      },
    },
  });
  const runs: Record<string, PairOfRuns[]> = {};
  const figures: Figure[] = [];
  try {
    for (const name of TRAFFIC) {
      const before = collector.spans.length;
      const sent = { title: `tracing, ${traffic(name).title}`, sent: traffic(name) };
      const pairs = await pairsOfRuns(ingests, { base: 'off', other: 'sampled' }, sent, context);
      runs[name] = pairs;
      figures.push(...figuresOf(traffic(name).title, pairs, collector.spans.length - before));
    }
  } catch (cause) {
    throw new Error(`measuring tracing: ${String(cause)}\n${ingests.logs()}`, { cause });
  } finally {
    await ingests.stop();
    await collector.close();
  }
  if (collector.spans.length === 0) context.fail('tracing: no span has arrived, so nothing was measured');
  return { name: 'tracing', title: 'tracing', tables: [{ title: 'tracing', figures }], runs };
}

function figuresOf(column: string, pairs: readonly PairOfRuns[], spans: number): Figure[] {
  return [
    { row: 'tracing off: ingest, events per CPU second', value: median(pairs.map(({ base }) => base)) },
    {
      row: '1 % sampled: ingest, events per CPU second, relative to off',
      value: median(pairs.map(({ base, other }) => other / base)),
      goal: GOAL,
    },
    { row: 'spans that the collector got', value: spans },
  ].map((figure) => ({ ...figure, column }));
}
