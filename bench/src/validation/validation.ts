import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Sent, traffic, type TrafficName } from '../load/traffic.ts';
import type { Figure, ScenarioReport } from '../report/figure.ts';
import { median } from '../report/statistics.ts';
import type { BenchContext } from '../scenario.ts';
import { JointIngests } from '../sink/joint-ingests.ts';
import { type PairOfRuns, pairsOfRuns } from '../sink/pairs-of-runs.ts';

const TRAFFIC = ['binary', 'batch'] as const satisfies readonly TrafficName[];
const DATASCHEMA = 'https://schemas.example.com/order.json';
/** Of the data that all traffic has. */
const SCHEMA = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  type: 'object',
  required: ['order', 'customer', 'currency', 'total', 'items'],
  properties: {
    order: { type: 'integer', minimum: 10_000_000 },
    customer: { type: 'string', pattern: '^c-[0-9]{6}$' },
    currency: { enum: ['EUR', 'USD', 'GBP'] },
    total: { type: 'number', exclusiveMinimum: 0 },
    items: { type: 'integer', minimum: 1, maximum: 9 },
    country: { type: 'string', minLength: 2, maxLength: 2 },
    channel: { enum: ['web', 'app', 'pos'] },
  },
  additionalProperties: false,
};

interface ValidationReport extends ScenarioReport {
  readonly runs: Readonly<Record<string, readonly PairOfRuns[]>>;
}

/** What `validate: known` costs ingest, with a schema that is at hand and one regular expression. All events have a dataschema. */
export async function validation(context: BenchContext): Promise<ValidationReport> {
  const directory = mkdtempSync(join(tmpdir(), 'sink-bench-schemas-'));
  writeFileSync(join(directory, 'order.json'), JSON.stringify(SCHEMA));
  const schemasDirectories = [{ path: directory, uri: 'https://schemas.example.com/' }];
  const ingests = await JointIngests.start({
    off: {},
    known: { validation: { validate: 'known', schemasDirectories } },
  });
  const runs: Record<string, PairOfRuns[]> = {};
  const figures: Figure[] = [];
  try {
    for (const name of TRAFFIC) {
      const sent = { title: `validation, ${traffic(name).title}`, sent: withDataschema(traffic(name)) };
      const pairs = await pairsOfRuns(ingests, { base: 'off', other: 'known' }, sent, context);
      runs[name] = pairs;
      figures.push(...figuresOf(traffic(name).title, pairs));
    }
  } catch (cause) {
    throw new Error(`measuring validation: ${String(cause)}\n${ingests.logs()}`, { cause });
  } finally {
    await ingests.stop();
    rmSync(directory, { recursive: true });
  }
  return { name: 'validation', title: 'validation', tables: [{ title: 'validation', figures }], runs };
}

/** The same events with a dataschema. */
function withDataschema({ eventsPerMessage, messages }: Sent): Sent {
  return {
    eventsPerMessage,
    messages: messages.map(({ headers, body }) => {
      if (eventsPerMessage === 1) return { headers: { ...headers, 'ce-dataschema': DATASCHEMA }, body };
      const events = JSON.parse(body) as { data: unknown }[];
      return {
        headers,
        body: JSON.stringify(events.map(({ data, ...event }) => ({ ...event, dataschema: DATASCHEMA, data }))),
      };
    }),
  };
}

function figuresOf(column: string, pairs: readonly PairOfRuns[]): Figure[] {
  return [
    { row: 'validate: off: ingest, events per CPU second', value: median(pairs.map(({ base }) => base)) },
    { row: 'validate: known: ingest, events per CPU second', value: median(pairs.map(({ other }) => other)) },
    { row: 'known, relative to off', value: median(pairs.map(({ base, other }) => other / base)) },
  ].map((figure) => ({ ...figure, column }));
}
