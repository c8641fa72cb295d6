import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { temporaryDirectory } from '@sink/testing';
import { describe, expect, it } from 'vitest';
import { type Mutation, writeMutant } from './mutant.ts';

const REPOSITORY = join(import.meta.dirname, '../../..');

/** A rule outside of the protocol left out; this test of the shipped suite has to fail then, and no other reason will do. */
interface SuiteMutation extends Mutation {
  readonly project: string;
  readonly file: string;
  readonly fails: RegExp;
}

const WRITER = 'libs/spool/src/segment-writer.ts';
const DURABLE = { project: 'libs/spool', file: 'src/durable.test.ts', fails: /× invariant 8: .*final name/ };

const MUTATIONS: readonly SuiteMutation[] = [
  {
    name: 'a segment file gets its final name without an fsync of its bytes',
    edits: [{ file: WRITER, from: 'await file.sync();', to: '' }],
    ...DURABLE,
  },
  {
    name: 'the final name of a segment file is not fsynced',
    edits: [{ file: WRITER, from: 'await this.#ports.syncDirectory();', to: '' }],
    ...DURABLE,
  },
  {
    name: 'a segment file gets its final name before it is whole',
    edits: [
      { file: WRITER, from: 'await rename(openPath, sealedPath);', to: '' },
      { file: WRITER, from: 'await file.sync();', to: 'await rename(openPath, sealedPath);\n    await file.sync();' },
    ],
    ...DURABLE,
  },
];

describe.concurrent('the suite notices each rule that is left out', () => {
  for (const mutation of MUTATIONS)
    it(mutation.name, async () => {
      const mutant = temporaryDirectory('mutant');
      await writeMutant(REPOSITORY, mutant, mutation);
      const { code, output } = await runTests(mutant, mutation);
      expect(output).toMatch(mutation.fails);
      expect(output).toContain('AssertionError');
      expect(code).toBe(1);
    });
});

function runTests(mutant: string, { project, file }: SuiteMutation): Promise<{ code: unknown; output: string }> {
  const vitest = join(REPOSITORY, 'node_modules/vitest/vitest.mjs');
  const args = [vitest, 'run', '--root', join(mutant, project), file];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: mutant, env: { ...process.env, NO_COLOR: '1' } }, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, output: `${stdout}${stderr}` }),
    );
  });
}
