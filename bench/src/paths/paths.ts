import { type Sent, traffic, type TrafficName } from '../load/traffic.ts';
import type { Figure, ScenarioReport } from '../report/figure.ts';
import { median } from '../report/statistics.ts';
import type { BenchContext } from '../scenario.ts';
import { JointIngests } from '../sink/joint-ingests.ts';
import { type PairOfRuns, pairsOfRuns } from '../sink/pairs-of-runs.ts';

const TRAFFIC = ['binary', 'batch'] as const satisfies readonly TrafficName[];
const TYPES = 100;
const PATH = 'type={type}/year={time:%Y}/month={time:%m}/day={time:%d}/hour={time:%H}';
/** Events per CPU second with a folder for each type, relative to the default. */
const GOALS = { binary: { atLeast: 0.85 }, batch: { atLeast: 0.5 } };

interface PathsReport extends ScenarioReport {
  readonly runs: Readonly<Record<string, readonly PairOfRuns[]>>;
}

/**
 * What folders by type cost ingest. Both ingests are in one process: two processes of the same code differ by up to a tenth
 * of their CPU time.
 */
export async function paths(context: BenchContext): Promise<PathsReport> {
  const ingests = await JointIngests.start({ plain: {}, paths: { path: PATH } });
  const runs: Record<string, PairOfRuns[]> = {};
  const figures: Figure[] = [];
  try {
    for (const name of TRAFFIC) {
      const sent = { title: `paths, ${traffic(name).title}`, sent: withTypes(traffic(name)) };
      const pairs = await pairsOfRuns(ingests, { base: 'plain', other: 'paths' }, sent, context);
      runs[name] = pairs;
      figures.push(...figuresOf(name, pairs));
    }
  } catch (cause) {
    throw new Error(`measuring paths: ${String(cause)}\n${ingests.logs()}`, { cause });
  } finally {
    await ingests.stop();
  }
  return { name: 'paths', title: 'paths', tables: [{ title: 'paths', figures }], runs };
}

/** The same events, of a hundred types in turn. */
function withTypes({ messages, eventsPerMessage }: Sent): Sent {
  let events = 0;
  const next = (type: string): string => `${type}${events++ % TYPES}`;
  return {
    eventsPerMessage,
    messages: messages.map(({ headers, body }) => ({
      headers: Object.fromEntries(
        Object.entries(headers).map(([name, value]) => [name, name === 'ce-type' ? next(value) : value]),
      ),
      body: body.replaceAll('com.example.order.created.v1', next),
    })),
  };
}

function figuresOf(name: (typeof TRAFFIC)[number], pairs: readonly PairOfRuns[]): Figure[] {
  return [
    { row: 'default: ingest, events per CPU second', value: median(pairs.map(({ base }) => base)) },
    {
      row: `${TYPES} types, a folder for each: ingest, events per CPU second, relative to default`,
      value: median(pairs.map(({ base, other }) => other / base)),
      goal: GOALS[name],
    },
  ].map((figure) => ({ ...figure, column: traffic(name).title }));
}
