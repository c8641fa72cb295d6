import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { temporaryDirectory } from '@sink/testing';
import { describe, expect, it } from 'vitest';
import { writeMutant } from '../mutants/mutant.ts';
import { MUTATIONS } from './mutations.ts';

const REPOSITORY = join(import.meta.dirname, '../../..');
/** Seeds a mutation may survive; each stops at the first that shows it. */
const SEEDS_MAX = 200;

describe.concurrent('the model notices each rule of the protocol that is left out', () => {
  for (const mutation of MUTATIONS)
    it(mutation.name, { timeout: 180_000 }, async () => {
      const mutant = temporaryDirectory('mutant');
      await writeMutant(REPOSITORY, mutant, mutation);
      const { failing, violations } = await runModel(mutant, mutation.from ?? 1);
      expect(failing, 'every seed passed').not.toEqual([]);
      expect(Object.keys(violations).join('; ')).toMatch(mutation.shows);
    });
});

function runModel(mutant: string, from: number): Promise<{ failing: number[]; violations: Record<string, number> }> {
  const args = [join(mutant, 'e2e/src/model/main.ts'), '--from', String(from), '--seeds', String(SEEDS_MAX), '--first'];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { cwd: mutant }, (error, stdout, stderr) => {
      const report = stdout.trim().split('\n').at(-1) ?? '';
      // A mutant that does not run at all is no proof: the model must have come to its report.
      if (!report.startsWith('{'))
        return reject(new Error(`the mutant did not run: ${stderr || (error?.message ?? 'no report')}`));
      resolve(JSON.parse(report) as { failing: number[]; violations: Record<string, number> });
    });
  });
}
