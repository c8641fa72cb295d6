import { join } from 'node:path';
import { temporaryDirectory } from '@sink/testing';
import { describe, expect, it } from 'vitest';
import { writeMutant } from '../mutants/mutant.ts';
import { MUTATIONS } from './mutations.ts';
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
      expect(Object.keys(violations).join('; ')).toMatch(mutation.shows);
    });
});
