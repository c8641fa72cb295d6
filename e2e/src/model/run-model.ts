import { execFile } from 'node:child_process';
import { join } from 'node:path';

export interface ModelReport {
  readonly failing: number[];
  readonly violations: Record<string, number>;
  readonly events: number;
  readonly objects: number;
}

export interface ModelArguments {
  readonly from: number;
  readonly seeds: number;
  /** Ends with the first seed that breaks a promise in a way that matches. */
  readonly until?: RegExp;
  readonly processes?: number;
}

/** Runs the model whose sources stand in `folder` in a process of its own. Rejects if it did not come to its report. */
export function runModel(folder: string, { from, seeds, until, processes }: ModelArguments): Promise<ModelReport> {
  const args = [
    join(folder, 'main.ts'),
    ...['--from', String(from), '--seeds', String(seeds)],
    ...(until === undefined ? [] : ['--until', until.source]),
    ...(processes === undefined ? [] : ['--processes', String(processes)]),
  ];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { cwd: folder }, (error, stdout, stderr) => {
      const report = stdout.trim().split('\n').at(-1) ?? '';
      if (!report.startsWith('{'))
        return reject(new Error(`the model did not run: ${stderr || (error?.message ?? 'no report')}`));
      resolve(JSON.parse(report) as ModelReport);
    });
  });
}
