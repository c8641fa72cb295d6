import { join } from 'node:path';
import { temporaryDirectory } from '@sink/testing';
import { describe, expect, it } from 'vitest';
import { writeMutant } from '../mutants/mutant.ts';
import { MUTATIONS } from './mutations.ts';
import { NOT_COMPILED } from './oracle.ts';
import { runModel } from './run-model.ts';

const REPOSITORY = join(import.meta.dirname, '../../..');
/** Seeds a mutation may survive; each stops at the first that shows it, mostly within some tens. */
const SEEDS_MAX = 1_000;

describe.concurrent('the model notices each rule of the protocol that is left out', () => {
  for (const mutation of MUTATIONS)
    it(mutation.name, { timeout: 400_000 }, async () => {
      const mutant = temporaryDirectory('mutant');
      await writeMutant(REPOSITORY, mutant, mutation);
      const range = { from: mutation.from ?? 1, seeds: SEEDS_MAX };
      const { violations } = await runModel(join(mutant, 'e2e/src/model'), { ...range, until: mutation.shows });
      const shown = Object.keys(violations).join('; ');
      expect(shown).toMatch(mutation.shows);
      // Lua that does not compile leaves no rule out: it leaves all out.
      expect(shown).not.toContain(NOT_COMPILED);
    });
});

it('an edit after which a script does not compile is told as that', { timeout: 400_000 }, async () => {
  const from = "redis.call('XACK', chunks, group, ...)";
  const mutation = { name: 'no Lua', edits: [{ file: 'libs/lane/src/scripts/seal.ts', from, to: 'redis.call(' }] };
  const mutant = temporaryDirectory('mutant');
  await writeMutant(REPOSITORY, mutant, mutation);
  const until = new RegExp(NOT_COMPILED);
  const { violations } = await runModel(join(mutant, 'e2e/src/model'), { from: 1, seeds: SEEDS_MAX, until });
  expect(Object.keys(violations)).toContain(`${NOT_COMPILED}: seal`);
});
