import { type Sent, traffic, type TrafficName } from '../load/traffic.ts';
import type { Figure, ScenarioReport } from '../report/figure.ts';
import { median } from '../report/statistics.ts';
import type { BenchContext } from '../scenario.ts';
import { JointIngests } from '../sink/joint-ingests.ts';

const TRAFFIC = ['binary', 'batch'] as const satisfies readonly TrafficName[];
const TYPES = 100;
const PATH = 'type={type}/year={time:%Y}/month={time:%m}/day={time:%d}/hour={time:%H}';
/** Events per CPU second with a folder for each type, relative to the default. */
const GOALS = { binary: { atLeast: 0.85 }, batch: { atLeast: 0.5 } };
/** Runs are short and change by turns, so that other work on the machine affects both alike. */
const TURN_SECONDS = 2;

type Which = 'plain' | 'paths';

/** Events per CPU second of a run with the default folders and of one with many, one directly after the other. */
type PairOfRuns = Readonly<Record<Which, number>>;

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
      const pairs = await pairsOfRuns(name, ingests, context);
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

async function pairsOfRuns(
  name: TrafficName,
  ingests: JointIngests<Which>,
  { load, settings, say }: BenchContext,
): Promise<PairOfRuns[]> {
  const sent = { ...withTypes(traffic(name)), title: traffic(name).title };
  const { connections } = settings;
  const measure = (which: Which, seconds: number): Promise<number> =>
    ingests.measure(which, load, sent, { connections, seconds });
  say(`paths, ${sent.title}: warm-up`);
  await measure('plain', settings.warmUpSeconds);
  await measure('paths', settings.warmUpSeconds);
  const pairs: PairOfRuns[] = [];
  const turns = Math.ceil((settings.runs * settings.seconds) / TURN_SECONDS);
  while (pairs.length < turns) {
    const first: Which = pairs.length % 2 === 0 ? 'plain' : 'paths';
    const firstFigure = await measure(first, TURN_SECONDS);
    const secondFigure = await measure(first === 'plain' ? 'paths' : 'plain', TURN_SECONDS);
    const pair =
      first === 'plain' ? { plain: firstFigure, paths: secondFigure } : { plain: secondFigure, paths: firstFigure };
    pairs.push(pair);
    say(`  turn ${pairs.length} of ${turns}: ${(pair.paths / pair.plain).toFixed(3)} of the events per CPU second`);
  }
  return pairs;
}

function figuresOf(name: (typeof TRAFFIC)[number], pairs: readonly PairOfRuns[]): Figure[] {
  return [
    { row: 'default: ingest, events per CPU second', value: median(pairs.map(({ plain }) => plain)) },
    {
      row: `${TYPES} types, a folder for each: ingest, events per CPU second, relative to default`,
      value: median(pairs.map(({ plain, paths: many }) => many / plain)),
      goal: GOALS[name],
    },
  ].map((figure) => ({ ...figure, column: traffic(name).title }));
}
