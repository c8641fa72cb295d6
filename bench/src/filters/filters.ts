import { compileFilter } from '@sink/cesql';
import { attributeCutter } from '@sink/cloudevents';
import { traffic } from '../load/traffic.ts';
import type { Figure, ScenarioReport } from '../report/figure.ts';
import { median } from '../report/statistics.ts';
import type { BenchContext } from '../scenario.ts';

/** Runs are short and change by turns, so that other work on the machine affects all of them alike. */
const TURN_MS = 200;
const TURNS = 15;
const MICROSECONDS_MAX = 1;

const DIALECTS = {
  all: {
    all: [
      { prefix: { type: 'com.example.order.' } },
      { exact: { source: '/shops/eu-central/checkout' } },
      { not: { suffix: { id: '00' } } },
    ],
  },
  sql: {
    sql: "type LIKE 'com.example.order.%' AND source = '/shops/eu-central/checkout' AND id NOT LIKE '%00'",
  },
};

interface Event {
  readonly line: string;
  readonly attributes: ReadonlyMap<string, string>;
}

type Predicate = (event: Event) => boolean;

/** What a filter of three conditions costs an event: with its attributes at hand, and with them cut out of its line. */
export async function filters({ say }: BenchContext): Promise<ScenarioReport> {
  const events = traffic('structured').messages.map(({ body }): Event => {
    const { id, source, type } = JSON.parse(body) as Record<'id' | 'source' | 'type', string>;
    return { line: body, attributes: new Map(Object.entries({ id, source, type })) };
  });
  const predicates = predicatesOf();
  const expected = events.filter(byHand).length;
  const turns = new Map<string, number[]>(predicates.map(({ row }) => [row, []]));
  for (let turn = 0; turn < TURNS; turn += 1) {
    for (const { row, matches } of predicates) {
      const took = microseconds(events, matches, expected);
      // The first turns are those of the compiler.
      if (turn > 2) turns.get(row)?.push(took);
    }
  }
  const figures = predicates.map(({ row, bounded }): Figure => {
    const value = median(turns.get(row) ?? []);
    const goal = bounded ? { goal: { atMost: MICROSECONDS_MAX } } : {};
    return { row: `${row}: microseconds an event`, column: 'three conditions', value, ...goal };
  });
  const [reference] = figures;
  const ratios = figures.slice(1).map(({ row, column, value }): Figure => ({
    row: row.replace('microseconds an event', 'times the predicate by hand'),
    column,
    value: value / (reference?.value ?? Number.NaN),
  }));
  say(`filters: ${events.length} events, ${expected} of them match`);
  return { name: 'filters', title: 'filters', tables: [{ title: 'filters', figures: [...figures, ...ratios] }] };
}

function byHand({ attributes }: Event): boolean {
  return (
    attributes.get('type')?.startsWith('com.example.order.') === true &&
    attributes.get('source') === '/shops/eu-central/checkout' &&
    attributes.get('id')?.endsWith('00') === false
  );
}

function predicatesOf(): { readonly row: string; readonly matches: Predicate; readonly bounded: boolean }[] {
  const compiled = Object.entries(DIALECTS).map(([name, spec]) => {
    const filter = compileFilter(spec);
    const cut = attributeCutter(filter.attributes);
    const fromLine: Predicate = ({ line }) => {
      const values = cut(line);
      return filter.matches({ get: (attribute) => values[filter.attributes.indexOf(attribute)] });
    };
    return [
      { row: name, matches: ({ attributes }: Event) => filter.matches(attributes), bounded: true },
      { row: `${name}, and cutting the attributes out of the line`, matches: fromLine, bounded: true },
    ];
  });
  return [{ row: 'predicate by hand', matches: byHand, bounded: false }, ...compiled.flat()];
}

function microseconds(events: readonly Event[], matches: Predicate, expected: number): number {
  const started = process.cpuUsage();
  const end = performance.now() + TURN_MS;
  let rounds = 0;
  while (performance.now() < end) {
    let matched = 0;
    for (const event of events) if (matches(event)) matched += 1;
    if (matched !== expected) throw new Error(`${matched} events matched, not ${expected}`);
    rounds += 1;
  }
  const { user, system } = process.cpuUsage(started);
  return (user + system) / (rounds * events.length);
}
