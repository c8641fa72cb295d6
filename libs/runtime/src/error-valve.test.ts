import { expect, test } from 'vitest';
import { ErrorValve } from './error-valve.ts';

test('the valve lets one error a second through and says how many it kept', () => {
  let nowMs = 0;
  const seen: [string, number][] = [];
  const valve = new ErrorValve(
    (error, suppressed) => seen.push([error.message, suppressed]),
    1_000,
    () => nowMs,
  );
  for (; nowMs < 2_500; nowMs += 10) valve.pass(new Error(`at ${nowMs}`));
  expect(seen).toEqual([
    ['at 0', 0],
    ['at 1000', 99],
    ['at 2000', 99],
  ]);
  nowMs = 10_000;
  valve.pass('not even an error');
  expect(seen.at(-1)).toEqual(['not even an error', 49]);
});
