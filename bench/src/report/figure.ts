/** The goal of a figure. */
export type Goal = { readonly atMost: number } | { readonly atLeast: number };

/** One number that was measured: a cell of a table. */
export interface Figure {
  /** What it measures, with its unit. */
  readonly row: string;
  /** What it belongs to: a scenario, a service, a size. */
  readonly column: string;
  readonly value: number;
  readonly goal?: Goal;
}

/** Figures to compare. Scenarios that have a table with the same title share it. */
export interface Table {
  readonly title: string;
  readonly figures: readonly Figure[];
}

/** The result of a scenario, with its own details for the results file. */
export interface ScenarioReport {
  readonly name: string;
  readonly title: string;
  readonly tables: readonly Table[];
}

export function isMet(value: number, goal: Goal): boolean {
  return 'atMost' in goal ? value <= goal.atMost : value >= goal.atLeast;
}

/** One table for each title, in the order of their first appearance. */
export function joined(scenarios: readonly { readonly tables: readonly Table[] }[]): Table[] {
  const byTitle = new Map<string, Figure[]>();
  for (const { title, figures } of scenarios.flatMap(({ tables }) => tables)) {
    byTitle.set(title, [...(byTitle.get(title) ?? []), ...figures]);
  }
  return [...byTitle].map(([title, figures]) => ({ title, figures }));
}

/**
 * The figures as a table in Markdown. `cell` writes each cell; rows and columns are in the order of their appearance.
 */
export function markdown({ title, figures }: Table, cell: (figure: Figure) => string): string {
  const unique = (names: readonly string[]): string[] => [...new Set(names)];
  const columns = unique(figures.map(({ column }) => column));
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const cells = new Map(figures.map((figure) => [`${figure.row}\n${figure.column}`, cell(figure)]));
  return [
    line([title, ...columns]),
    line(['---', ...columns.map(() => '---:')]),
    ...unique(figures.map(({ row }) => row)).map((row) =>
      line([row, ...columns.map((column) => cells.get(`${row}\n${column}`) ?? '')]),
    ),
  ].join('\n');
}

/** The figure, and whether its goal is met. */
export function shown({ value, goal }: Figure): string {
  if (goal === undefined) return formatted(value);
  const bound = 'atMost' in goal ? `≤ ${formatted(goal.atMost)}` : `≥ ${formatted(goal.atLeast)}`;
  return `**${formatted(value)}** (${bound}: ${isMet(value, goal) ? 'met' : 'missed'})`;
}

/** Three digits, or all digits before the point. */
export function formatted(value: number): string {
  const decimals = value === 0 ? 0 : Math.min(4, Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value)))));
  return value.toLocaleString('en-US', { maximumFractionDigits: decimals });
}
