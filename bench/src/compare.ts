import { readFileSync } from 'node:fs';
import type { ScenarioSummary } from './summary.ts';

/** What of an earlier results file is read. */
export interface EarlierResults {
  readonly commit: string;
  readonly scenarios: readonly { readonly name: string; readonly summary: ScenarioSummary }[];
}

interface Measured {
  readonly name: string;
  readonly title: string;
  readonly summary: ScenarioSummary;
}

/** Figures that are held against the bare server of their own run, and memory: what machines that differ may compare. */
const FIGURES: readonly (readonly [string, (summary: ScenarioSummary) => number])[] = [
  ['ingest to bare server', (summary) => summary.ratioIngest],
  ['whole sink to bare server', (summary) => summary.ratioWhole],
  ['most RSS of ingest', (summary) => summary.rssPeakBytes.ingest],
  ['most RSS of batcher', (summary) => summary.rssPeakBytes.batcher],
  ['most RSS of uploader', (summary) => summary.rssPeakBytes.uploader],
];

/**
 * Reads a file of `bench/results/`.
 * @throws when there is none, or it holds no results
 */
export function readResults(file: string): EarlierResults {
  const action = `reading the results to compare with [file=${file}]`;
  try {
    const results = JSON.parse(readFileSync(file, 'utf8')) as Partial<EarlierResults>;
    const { commit = 'unknown', scenarios } = results;
    if (!Array.isArray(scenarios)) throw new Error('it holds no scenarios');
    return { commit, scenarios };
  } catch (cause) {
    throw new Error(`${action}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** The change of each figure since then, scenario by scenario, as a table in Markdown. */
export function comparison(now: readonly Measured[], then: EarlierResults): string {
  const columns = now.map(({ name, title, summary }) => ({
    title,
    summary,
    before: then.scenarios.find((scenario) => scenario.name === name)?.summary,
  }));
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    line([`change since ${then.commit}`, ...columns.map(({ title }) => title)]),
    line(['---', ...columns.map(() => '---:')]),
    ...FIGURES.map(([name, figure]) =>
      line([
        name,
        ...columns.map(({ summary, before }) =>
          before === undefined ? 'not measured then' : change(figure(before), figure(summary)),
        ),
      ]),
    ),
  ].join('\n');
}

function change(before: number, after: number): string {
  const percent = (after / before - 1) * 100;
  return `${percent >= 0 ? '+' : '−'}${Math.abs(percent).toFixed(1)} %`;
}
