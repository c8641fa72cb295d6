import { expect, it } from 'vitest';
import { type Kept, SharedCache } from './shared-cache.ts';

function cache(bounds: { entriesMax?: number; bytesMax?: number } = {}) {
  const world = { nowMs: 0, loads: [] as string[], lifeMs: 1_000, bytes: 1, wait: Promise.resolve() };
  const made = new SharedCache<string>({
    entriesMax: 3,
    bytesMax: 1_000,
    ...bounds,
    nowMs: () => world.nowMs,
    load: async (key, before): Promise<Kept<string>> => {
      world.loads.push(key);
      const { lifeMs, bytes } = world;
      await world.wait;
      return { value: `${key}${before ?? ''}`, lifeMs, renewed: lifeMs > 10, bytes };
    },
  });
  return { world, made };
}

it('all that want a value at the same time share one load', async () => {
  const { world, made } = cache();
  expect(made.get('a')).toBeUndefined();
  expect(await Promise.all([made.load('a'), made.load('a'), made.load('b')])).toEqual(['a', 'a', 'b']);
  expect(world.loads).toEqual(['a', 'b']);
  expect(made.get('a')).toBe('a');
  expect(made.counts).toEqual({ entries: 2, bytes: 2, hits: 1, misses: 1 });
});

it('a value expires; one that is used late in its life is loaded again before', async () => {
  const { world, made } = cache();
  await made.load('a');
  world.nowMs = 799;
  expect(made.get('a')).toBe('a');
  expect(world.loads).toEqual(['a']);
  world.nowMs = 801;
  expect(made.get('a')).toBe('a');
  await made.load('a');
  expect(world.loads).toEqual(['a', 'a']);
  expect(made.get('a')).toBe('aa');
  world.nowMs = 1_802;
  expect(made.get('a')).toBeUndefined();
});

it('one that is not to be renewed expires, and one without a life is not kept', async () => {
  const { world, made } = cache();
  world.lifeMs = 10;
  await made.load('a');
  world.nowMs = 9;
  expect(made.get('a')).toBe('a');
  expect(world.loads).toEqual(['a']);
  world.lifeMs = 0;
  expect(await made.load('b')).toBe('b');
  expect(made.get('b')).toBeUndefined();
  expect(made.counts.entries).toBe(1);
});

it('what lives for ever stays, within the bounds', async () => {
  const { world, made } = cache();
  world.lifeMs = Infinity;
  for (const key of ['a', 'b', 'c']) await made.load(key);
  world.nowMs = 1e12;
  expect(made.get('a')).toBe('a');
  await made.load('d');
  // `a` was used, so that `b` has to go.
  expect([made.get('a'), made.get('b'), made.get('c'), made.get('d')]).toEqual(['a', undefined, 'c', 'd']);
  world.bytes = 999;
  await made.load('e');
  expect(made.counts).toMatchObject({ entries: 2, bytes: 1_000 });
  // One that is larger than all of the bound is still there for those that wait for it.
  world.bytes = 5_000;
  expect(await made.load('f')).toBe('f');
  expect(made.counts).toMatchObject({ entries: 1, bytes: 5_000 });
});

it('a load that fails is over: what is kept stays, and the next one may succeed', async () => {
  const { world, made } = cache();
  world.wait = Promise.reject(new Error('oops'));
  await expect(made.load('a')).rejects.toThrow('oops');
  world.wait = Promise.resolve();
  expect(await made.load('a')).toBe('a');
  world.nowMs = 900;
  world.wait = Promise.reject(new Error('oops'));
  // Renews it, which fails: nobody waits for that.
  expect(made.get('a')).toBe('a');
  await new Promise(setImmediate);
  expect(made.get('a')).toBe('a');
  await new Promise(setImmediate);
  expect(world.loads).toEqual(['a', 'a', 'a', 'a']);
});

it('what was being loaded when things were dropped is not kept', async () => {
  const { world, made } = cache();
  const { promise, resolve } = Promise.withResolvers<undefined>();
  await made.load('a');
  world.wait = promise.then(() => undefined);
  const loading = made.load('b');
  made.drop((value) => value === 'a');
  resolve(undefined);
  expect(await loading).toBe('b');
  expect([made.get('a'), made.get('b')]).toEqual([undefined, undefined]);
  expect(made.counts.bytes).toBe(0);
});
