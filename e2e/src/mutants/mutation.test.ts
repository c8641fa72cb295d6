import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { editsOf, mutate, mutationEnvironment, type PlacedEdit, REPOSITORY } from './mutation.ts';

const run = promisify(execFile);
const PRELOAD = join(import.meta.dirname, 'preload.ts');

function placed(edit: PlacedEdit['edit'], line: number): PlacedEdit {
  return { edit, file: 'libs/a/src/b.ts', line };
}

describe('a mutation', () => {
  const source = 'one();\ntwo(); // rule: a.two\n  three() -- rule: a.three\n';

  it('replaces or removes marked lines, or adds to them', () => {
    const edits = [placed({ rule: 'a.two', to: '' }, 1), placed({ rule: 'a.three', after: 'four()' }, 2)];
    expect(mutate(source, edits)).toBe('one();\n\n  three()\nfour()\n');
    expect(mutate(source, [placed({ rule: 'a.two', before: 'zero();' }, 1)])).toContain('\nzero();\ntwo();\n');
  });

  it('changes no other file', () => {
    const edits = [placed({ rule: 'a.two', to: '' }, 1)];
    expect(editsOf(join(REPOSITORY, 'libs/a/src/b.ts'), edits)).toEqual(edits);
    expect(editsOf(join(REPOSITORY, 'libs/a/src/c.ts'), edits)).toEqual([]);
  });

  it('is an error when no line is marked as its rule', () => {
    const mutation = { name: 'no rule', edits: [{ rule: 'seal.nowhere', to: '' }] };
    expect(() => mutationEnvironment(mutation)).toThrow('0 lines are marked as rule seal.nowhere');
  });

  it('is an error when the process does not load the marked line', async () => {
    const env = mutationEnvironment({ name: 'not loaded', edits: [{ rule: 'seal.from', to: '' }] });
    const nothing = run(process.execPath, ['--import', PRELOAD, '--eval', ''], { env: { ...process.env, ...env } });
    await expect(nothing).rejects.toMatchObject({ code: 70, stderr: expect.stringContaining('seal.from') as string });
  });
});
