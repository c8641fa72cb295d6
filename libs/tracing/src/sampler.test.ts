import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import type { RemoteSpan } from './port.ts';
import { sampler } from './sampler.ts';

const remote = (sampled: boolean, traceId = randomBytes(16).toString('hex')): RemoteSpan => ({
  traceId,
  spanId: '00f067aa0ba902b7',
  state: '',
  sampled,
});
const never = (): number => {
  throw new Error('chance decides about new traces only');
};

test('with a parent, a parent-based sampler does what the parent did', () => {
  for (const root of [{ kind: 'on' }, { kind: 'off' }, { kind: 'ratio', ratio: 0.5 }] as const) {
    const samples = sampler({ parentBased: true, root }, never);
    expect([samples(remote(true)), samples(remote(false))]).toEqual([true, false]);
  }
});

test('another sampler does not ask the parent', () => {
  const on = sampler({ parentBased: false, root: { kind: 'on' } }, never);
  const off = sampler({ parentBased: false, root: { kind: 'off' } }, never);
  expect([on(remote(false)), on(null), off(remote(true)), off(null)]).toEqual([true, true, false, false]);
});

test('a ratio is that share of new traces', () => {
  const chances = [0, 0.0099, 0.01, 0.99];
  const samples = sampler({ parentBased: true, root: { kind: 'ratio', ratio: 0.01 } }, () => chances.shift() ?? 1);
  expect([samples(null), samples(null), samples(null), samples(null)]).toEqual([true, true, false, false]);
});

test('a ratio decides about a trace by its id, and what a lower one samples a higher one samples too', () => {
  const ratios = [0, 0.1, 0.5, 1];
  const all = ratios.map((ratio) => sampler({ parentBased: false, root: { kind: 'ratio', ratio } }, never));
  const counts = ratios.map(() => 0);
  for (let n = 0; n < 2_000; n++) {
    const span = remote(false);
    const decisions = all.map((samples) => samples(span));
    expect(decisions).toEqual(decisions.toSorted());
    for (const [index, sampled] of decisions.entries()) counts[index] = (counts[index] ?? 0) + Number(sampled);
  }
  expect(counts[0]).toBe(0);
  expect(counts[1]).toBeGreaterThan(120);
  expect(counts[1]).toBeLessThan(280);
  expect(counts[3]).toBe(2_000);
});
