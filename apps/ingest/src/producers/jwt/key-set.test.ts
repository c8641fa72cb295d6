import { expect, it, onTestFinished } from 'vitest';
import { ManualClock } from '../../test/manual-clock.ts';
import { type Fetched, KeySet } from './key-set.ts';

type Answer = readonly object[] | Error;

/** A key set whose fetches end when the test says so. */
function start() {
  const clock = new ManualClock();
  const ended = new AbortController();
  const pending: ((answer: Answer) => void)[] = [];
  const begunAtMs: number[] = [];
  const told: string[] = [];
  const keySet = new KeySet({
    fetch: () => {
      begunAtMs.push(clock.monotonicMs());
      return new Promise((resolve, reject) => {
        pending.push((answer) => (answer instanceof Error ? reject(answer) : resolve(answer)));
      });
    },
    clock,
    changed: () => void told.push('changed'),
    ended: () => void told.push('ended'),
  });
  const running = keySet.keepUntil(ended.signal);
  onTestFinished(() => ended.abort());
  const answer = async (given: Answer): Promise<void> => {
    pending.shift()?.(given);
    await clock.pass(0);
  };
  return { keySet, clock, begunAtMs, told, answer, ended, running };
}

/** What a promise has come to, or undefined. */
function watch(promise: Promise<Fetched>): { fetched?: Fetched } {
  const seen: { fetched?: Fetched } = {};
  void promise.then((fetched) => (seen.fetched = fetched));
  return seen;
}

const keys = (...kids: string[]) => kids.map((kid) => ({ kty: 'EC', crv: 'P-256', x: 'x', y: 'y', kid }));

it('fetches at the start, and then every five minutes', async () => {
  const { keySet, clock, begunAtMs, answer } = start();
  expect(keySet.keys).toBeNull();
  await answer(keys('a'));
  expect(keySet).toMatchObject({ begun: 1, confirmedBy: 1, ageMs: 0 });
  await clock.pass(5_000);
  await clock.pass(299_999);
  expect(begunAtMs).toEqual([0]);
  expect(keySet.ageMs).toBe(304_999);
  await clock.pass(1);
  expect(begunAtMs).toEqual([0, 305_000]);
});

it('requests that need a key share one fetch, which begins five seconds after the last at the soonest', async () => {
  const { keySet, clock, begunAtMs, answer } = start();
  await answer(keys('a'));
  await clock.pass(1_000);
  const requests = Array.from({ length: 10 }, () => watch(keySet.fetched()));
  await clock.pass(3_999);
  expect(begunAtMs).toEqual([0]);
  await clock.pass(1);
  expect(begunAtMs).toEqual([0, 5_000]);
  expect(requests[0]?.fetched).toBeUndefined();
  await answer(keys('a', 'b'));
  expect(requests.map(({ fetched }) => fetched?.kind)).toEqual(Array.from({ length: 10 }, () => 'fetched'));

  // Later, one begins at once.
  await clock.pass(100_000);
  const late = watch(keySet.fetched());
  await clock.pass(0);
  expect(begunAtMs).toEqual([0, 5_000, 105_000]);
  await answer(keys('a', 'b'));
  expect(late.fetched?.kind).toBe('fetched');
});

it('a request that comes during a fetch waits for it, and can wait for the next', async () => {
  const { keySet, clock, begunAtMs, answer } = start();
  const early = watch(keySet.fetched());
  await answer(keys('a'));
  expect(early.fetched?.kind).toBe('fetched');
  // It had asked while the first one went on: that did not begin after the request.
  const again = watch(keySet.fetched());
  await clock.pass(5_000);
  expect(begunAtMs).toEqual([0, 5_000]);
  await answer(keys('b'));
  expect(again.fetched?.kind).toBe('fetched');
});

it('old keys stay while the issuer is away, which is asked again every five seconds; no request waits then', async () => {
  const { keySet, clock, begunAtMs, told, answer } = start();
  await answer(keys('a'));
  const before = keySet.keys;
  await clock.pass(5_000);
  await clock.pass(300_000);
  const waiting = watch(keySet.fetched());
  await answer(new Error('away'));
  expect(waiting.fetched).toEqual({ kind: 'failed', why: 'away' });
  expect(keySet.failure).toBe('away');
  expect(keySet.keys).toBe(before);
  const next = watch(keySet.fetched());
  await clock.pass(0);
  expect(next.fetched).toEqual({ kind: 'failed', why: 'away' });
  await clock.pass(5_000);
  await answer(new Error('away'));
  await clock.pass(5_000);
  await answer(keys('a'));
  expect(begunAtMs).toEqual([0, 305_000, 310_000, 315_000]);
  expect(told).toEqual(['ended', 'ended', 'ended', 'ended']);
  expect(keySet.failure).toBeNull();
  expect(keySet.counts).toEqual({ success: 2, failure: 2 });
  expect(keySet.keys).toBe(before);
});

it('says when the keys have changed, and not when their order has', async () => {
  const { keySet, clock, told, answer } = start();
  await answer(keys('a', 'b'));
  keySet.fetchSoon();
  await clock.pass(5_000);
  await answer(keys('b', 'a'));
  expect(told).not.toContain('changed');
  keySet.fetchSoon();
  await clock.pass(5_000);
  await answer(keys('b'));
  expect(told).toContain('changed');
});

it('at most a thousand requests wait, and none is left when it ends', async () => {
  const { keySet, clock, ended, running, answer } = start();
  const waiting = Array.from({ length: 1_000 }, () => watch(keySet.fetched()));
  const oneMore = watch(keySet.fetched());
  await clock.pass(0);
  expect(oneMore.fetched).toMatchObject({ why: 'too many requests wait for the keys of the issuer' });
  expect(waiting[0]?.fetched).toBeUndefined();
  await answer(keys('a'));
  const last = watch(keySet.fetched());
  ended.abort();
  await running;
  await clock.pass(0);
  expect(waiting[999]?.fetched?.kind).toBe('fetched');
  expect(last.fetched).toEqual({ kind: 'failed', why: 'this instance is stopping' });
  expect(await keySet.fetched()).toEqual({ kind: 'failed', why: 'this instance is stopping' });
});
