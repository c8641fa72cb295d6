import { describe, expect, it } from 'vitest';
import { MUTATIONS } from './mutations.ts';
import { NOT_COMPILED } from './oracle.ts';
import { runModel } from './run-model.ts';

/** Seeds a mutation may survive; each stops at the first that shows it, mostly within some tens. */
const SEEDS_MAX = 1_000;
/** An edit that names what is not there leaves no rule out: it breaks the code around the rule. */
const BROKEN_EDIT = new RegExp(`${NOT_COMPILED}|is not defined|is not a function`);

describe.concurrent('the model notices each rule of the protocol that is left out', () => {
  for (const mutation of MUTATIONS)
    it(mutation.name, { timeout: 400_000 }, async () => {
      const range = { from: mutation.from ?? 1, seeds: SEEDS_MAX };
      const { violations } = await runModel({ ...range, until: mutation.shows, mutation });
      const shown = Object.keys(violations).join('; ');
      expect(shown).toMatch(mutation.shows);
      expect(shown).not.toMatch(BROKEN_EDIT);
    });
});

it('an edit after which a script does not compile is told as that', { timeout: 400_000 }, async () => {
  const mutation = { name: 'no Lua', edits: [{ rule: 'seal.acknowledge', to: 'redis.call(' }] };
  const { violations } = await runModel({ from: 1, seeds: SEEDS_MAX, until: new RegExp(NOT_COMPILED), mutation });
  expect(Object.keys(violations)).toContain(`${NOT_COMPILED}: seal`);
});

it('a mutation of a rule that marks no line is an error', () => {
  const mutation = { name: 'no rule', edits: [{ rule: 'seal.nowhere', to: '' }] };
  expect(() => runModel({ from: 1, seeds: 1, mutation })).toThrow('0 lines are marked as rule seal.nowhere');
});

it('a mutation of a line that the model does not load is an error', { timeout: 60_000 }, async () => {
  const mutation = { name: 'not loaded', edits: [{ rule: 'spool.bytes-synced', to: '' }] };
  await expect(runModel({ from: 1, seeds: 1, mutation })).rejects.toThrow('rule spool.bytes-synced is not left out');
});
