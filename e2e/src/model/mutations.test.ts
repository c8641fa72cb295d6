import { describe, expect, it } from 'vitest';
import { MUTATIONS } from './mutations.ts';
import { NOT_COMPILED } from './oracle.ts';
import { firstSeed, readPins, SEEDS_MAX } from './pins.ts';
import { runModel } from './run-model.ts';

/** An edit that names what is not there leaves no rule out: it breaks the code around the rule. */
const BROKEN_EDIT = new RegExp(`${NOT_COMPILED}|is not defined|is not a function`);

describe.concurrent('the model notices each rule of the protocol that is left out', () => {
  for (const mutation of MUTATIONS)
    it(mutation.name, { timeout: 400_000 }, async () => {
      const range = { from: firstSeed(mutation), seeds: SEEDS_MAX };
      const { violations } = await runModel({ ...range, until: mutation.shows, mutation });
      const shown = Object.keys(violations).join('; ');
      expect(shown).toMatch(mutation.shows);
      expect(shown).not.toMatch(BROKEN_EDIT);
    });
});

it('an edit after which a script does not compile is reported as such', { timeout: 400_000 }, async () => {
  const mutation = { name: 'no Lua', edits: [{ rule: 'seal.acknowledge', to: 'redis.call(' }] };
  const { violations } = await runModel({ from: 1, seeds: SEEDS_MAX, until: new RegExp(NOT_COMPILED), mutation });
  expect(Object.keys(violations)).toContain(`${NOT_COMPILED}: seal`);
});

it('every pin belongs to a mutation', () => {
  const names = MUTATIONS.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(Object.keys(readPins())));
});
