import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { REPOSITORY } from '../sink/service.ts';

const RESULTS = join(REPOSITORY, 'bench/results');

/**
 * Writes the results and the description of the machine to `bench/results/<prefix><date>.json`. Returns the path of the
 * file.
 */
export function writeResults(prefix: string, startedAt: Date, measured: object): string {
  mkdirSync(RESULTS, { recursive: true });
  const file = join(RESULTS, `${prefix}${startedAt.toISOString().slice(0, 16).replace(':', '')}.json`);
  const content = {
    startedAt,
    commit: git('rev-parse', '--short', 'HEAD'),
    uncommittedChanges: git('status', '--porcelain', '--untracked-files=no') !== '',
    node: process.version,
    cpus: cpus().map(({ model }) => model),
    ...measured,
  };
  writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`);
  return file;
}

/** The output of git, or `unknown` outside of a repository. */
function git(...args: string[]): string {
  try {
    return execFileSync('git', args, { cwd: REPOSITORY, encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}
