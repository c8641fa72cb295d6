import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { type Mutation, mutationEnvironment } from '../mutants/mutation.ts';

export interface ModelReport {
  readonly failing: number[];
  readonly violations: Record<string, number>;
  events: number;
  objects: number;
  /** The seed that broke a promise in the way that was looked for. */
  shownBy: number | null;
}

export interface ModelArguments {
  readonly from: number;
  readonly seeds: number;
  /** Ends with the first seed that breaks a promise in a way that matches. */
  readonly until?: RegExp;
  readonly processes?: number;
  /** Rules that the model runs without. */
  readonly mutation?: Mutation;
}

/** The exit code of a model in which a seed broke a promise. */
const FAILED = 1;
const MAIN = join(import.meta.dirname, 'main.ts');
const PRELOAD = join(import.meta.dirname, '../mutants/preload.ts');

/** Runs the model in a process of its own. Rejects if the process prints no report, or does not load a line that the mutation changes. */
export function runModel({ from, seeds, until, processes, mutation }: ModelArguments): Promise<ModelReport> {
  const args = [
    ...(mutation === undefined ? [] : ['--import', PRELOAD]),
    MAIN,
    '--from',
    String(from),
    '--seeds',
    String(seeds),
    ...(until === undefined ? [] : ['--until', until.source]),
    ...(processes === undefined ? [] : ['--processes', String(processes)]),
  ];
  const env = { ...process.env, ...(mutation === undefined ? {} : mutationEnvironment(mutation)) };
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { env }, (error, stdout, stderr) => {
      const report = stdout.trim().split('\n').at(-1) ?? '';
      const ran = error === null || error.code === FAILED;
      if (!ran || !report.startsWith('{'))
        return reject(new Error(`the model did not run: ${stderr || (error?.message ?? 'no report')}`));
      resolve(JSON.parse(report) as ModelReport);
    });
  });
}

/** The command that runs the world of a seed again and prints all that happens in it. */
export function replayOf(seed: number): string {
  return `npm run model -- --from ${seed} --seeds 1 --trace`;
}
