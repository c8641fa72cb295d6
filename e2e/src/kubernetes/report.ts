export type Outcome = 'passed' | 'failed' | 'skipped';

export interface Row {
  readonly part: string;
  readonly what: string;
  readonly outcome: Outcome;
  /** What was seen, or why not. */
  readonly seen: string;
}

/** Thrown by `Part.step`: what comes after it in the part cannot be done. */
export class PartEnded extends Error {}

/** What a run has shown, row by row. */
export class Report {
  readonly rows: Row[] = [];

  add(row: Row): void {
    this.rows.push(row);
    const mark = { passed: 'ok', failed: 'FAILED', skipped: 'skipped' }[row.outcome];
    console.log(`  ${mark.padEnd(8)}${row.what}: ${row.seen}`);
  }

  count(outcome: Outcome): number {
    return this.rows.filter((row) => row.outcome === outcome).length;
  }

  /** All rows as a table, and last the count. */
  toString(): string {
    const widths = (['part', 'what', 'outcome'] as const).map((column) =>
      Math.max(...this.rows.map((row) => row[column].length), column.length),
    );
    const line = (...cells: readonly string[]): string =>
      cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join('  ');
    const rows = this.rows.map(({ part, what, outcome, seen }) => line(part, what, outcome, firstLine(seen)));
    const counts = (['passed', 'failed', 'skipped'] as const).map((outcome) => `${this.count(outcome)} ${outcome}`);
    return [line('part', 'what', 'outcome', 'seen'), ...rows, '', counts.join(', ')].join('\n');
  }
}

/** The checks of one part. */
export class Part {
  readonly name: string;
  readonly #report: Report;

  constructor(name: string, report: Report) {
    this.name = name;
    this.#report = report;
  }

  /**
   * Does what the rest of the part depends on.
   * @param work resolves to a description of what was seen
   * @throws PartEnded when it fails
   */
  async step(what: string, work: () => Promise<string>): Promise<void> {
    const startMs = performance.now();
    try {
      const seen = await work();
      const seconds = `${((performance.now() - startMs) / 1_000).toFixed(1)} s`;
      this.#add(what, 'passed', seen === '' ? seconds : `${seen} (${seconds})`);
    } catch (error) {
      this.#add(what, 'failed', error instanceof Error ? error.message : String(error));
      throw new PartEnded(what, { cause: error });
    }
  }

  /** Notes whether something holds; the part goes on. */
  check(what: string, holds: boolean, seen: string): void {
    this.#add(what, holds ? 'passed' : 'failed', seen);
  }

  skip(what: string, why: string): void {
    this.#add(what, 'skipped', why);
  }

  #add(what: string, outcome: Outcome, seen: string): void {
    this.#report.add({ part: this.name, what, outcome, seen });
  }
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
