import { readFileSync } from 'node:fs';
import { type Figure, joined, markdown, type Table } from './figure.ts';

/** The parts of an earlier results file that are read. */
interface EarlierResults {
  readonly commit: string;
  readonly loadGenerator: string;
  readonly scenarios: readonly EarlierScenario[];
}

interface EarlierScenario {
  /** Missing in old files without tables. */
  readonly tables?: readonly Table[];
}

/**
 * Reads a file of `bench/results/`.
 * @throws when it does not exist or has no results
 */
export function readResults(file: string): EarlierResults {
  const action = `reading the results to compare with [file=${file}]`;
  try {
    const results = JSON.parse(readFileSync(file, 'utf8')) as Partial<EarlierResults>;
    const { commit = 'unknown', loadGenerator = 'unknown', scenarios } = results;
    if (!Array.isArray(scenarios)) throw new Error('it holds no scenarios');
    return { commit, loadGenerator, scenarios };
  } catch (cause) {
    throw new Error(`${action}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** The change of each figure since the earlier file, table by table, in Markdown. */
export function comparison(
  now: { readonly loadGenerator: string; readonly scenarios: readonly { readonly tables: readonly Table[] }[] },
  then: EarlierResults,
): string {
  const before = new Map(
    joined(then.scenarios.map(({ tables }) => ({ tables: tables ?? [] }))).flatMap(({ title, figures }) =>
      figures.map((figure) => [identity(title, figure), figure.value] as const),
    ),
  );
  const changes = joined(now.scenarios).map(({ title, figures }) =>
    markdown({ title: `${title}: change since ${then.commit}`, figures }, (figure) =>
      change(before.get(identity(title, figure)), figure.value),
    ),
  );
  return [...generatorWarning(now.loadGenerator, then.loadGenerator), ...changes].join('\n\n');
}

/** wrk takes less of the machine than autocannon, so that another generator leaves more or less of it to the sink. */
function generatorWarning(now: string, then: string): string[] {
  if (now === then) return [];
  return [
    `**Not alike: the load came from ${now} now and from ${then} then.** Figures per second, and less so those per CPU second, differ by that alone.`,
  ];
}

function identity(title: string, { row, column }: Figure): string {
  return [title, row, column].join('\n');
}

function change(before: number | undefined, after: number): string {
  if (before === undefined) return 'not measured then';
  if (before === 0) return after === 0 ? '0' : 'was 0';
  const percent = (after / before - 1) * 100;
  return `${percent >= 0 ? '+' : '−'}${Math.abs(percent).toFixed(1)} %`;
}
