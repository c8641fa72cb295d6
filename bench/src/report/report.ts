import { joined, markdown, type ScenarioReport, shown } from './figure.ts';

/** All figures as tables in Markdown, ready to be quoted. */
export function tables(scenarios: readonly ScenarioReport[]): string {
  return joined(scenarios)
    .map((table) => markdown(table, shown))
    .join('\n\n');
}
