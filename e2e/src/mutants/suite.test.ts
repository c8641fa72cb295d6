import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Mutation, mutationEnvironment, REPOSITORY } from './mutation.ts';
import { SUITE_MUTATIONS } from './suite-mutations.ts';

describe.concurrent('the suite notices each rule that is left out', () => {
  for (const mutation of SUITE_MUTATIONS)
    it(mutation.name, async () => {
      const { code, output } = await runTests(mutation);
      expect(output).toMatch(mutation.fails);
      expect(output).toContain('AssertionError');
      expect(code).toBe(1);
    });
});

it('without a mutation the same tests pass', async () => {
  const [any] = SUITE_MUTATIONS;
  if (!any) throw new Error('there are no mutations');
  const { code, output } = await runTests({ ...any, edits: [] });
  expect(output).toContain('2 passed');
  expect(code).toBe(0);
});

function runTests({ project, file, ...mutation }: Mutation & { project: string; file: string }) {
  const vitest = join(REPOSITORY, 'node_modules/vitest/vitest.mjs');
  const config = join(import.meta.dirname, 'vitest.mutated.ts');
  const args = [vitest, 'run', '--config', config, '--reporter', 'default', file];
  const env = { ...process.env, ...mutationEnvironment(mutation), MUTATED_PROJECT: project, NO_COLOR: '1' };
  return new Promise<{ code: unknown; output: string }>((resolve) => {
    execFile(process.execPath, args, { cwd: REPOSITORY, env }, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, output: `${stdout}${stderr}` }),
    );
  });
}
