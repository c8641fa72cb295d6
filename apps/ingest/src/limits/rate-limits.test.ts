import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Client, LimitsWorld, NO_LIMITS, randomOf } from '../test/limits-world.ts';
import type { Refusal } from '../http/answers.ts';
import type { Limits, Slot } from './producer-limits.ts';
import { RateLimits } from './rate-limits.ts';

const LIMIT = 500;
const SETTLING_SECONDS = 5;
const MEASURED_SECONDS = 10;
const SEEDS = [1, 2, 3];

const sum = (rates: readonly number[]): number => rates.reduce((all, one) => all + one, 0);

/** So many clients at each process. */
function clientsAt(counts: readonly number[], client: Omit<Client, 'process'>): Client[] {
  return counts.flatMap((count, process) => Array.from({ length: count }, () => ({ ...client, process })));
}

describe('processes that share a limit of 500 events a second keep it within 20 %', () => {
  const UNEVEN = [30, 10, 5, 3, 1, 1];
  const LOADS = [
    ['all connections at one process', [50, 0, 0, 0, 0, 0], { perSecond: 20, events: 1 }],
    ['twice the limit', UNEVEN, { perSecond: 20, events: 1 }],
    ['ten times the limit', UNEVEN, { perSecond: 100, events: 1 }],
    ['a little above the limit', [10, 8, 4, 3, 2, 1], { perSecond: 20, events: 1 }],
    ['batches of 10', UNEVEN, { perSecond: 5, events: 10 }],
    ['batches of 100', UNEVEN, { perSecond: 1, events: 100 }],
  ] as const;
  for (const [name, counts, load] of LOADS) {
    for (const isPolite of [false, true]) {
      test.each(SEEDS)(`${name}, ${isPolite ? 'refusals obeyed' : 'refusals ignored'}, seed %i`, (seed) => {
        const world = new LimitsWorld(randomOf(seed), 6, { eventsPerSecond: LIMIT });
        const clients = clientsAt(counts, { ...load, isPolite });
        world.run(SETTLING_SECONDS, clients);
        const accepted = sum(world.run(MEASURED_SECONDS, clients));
        expect(accepted).toBeGreaterThan(LIMIT * 0.8);
        expect(accepted).toBeLessThan(LIMIT * 1.2);
      });
    }
  }

  test('any spread, number of processes and load', () => {
    const load = fc.record({
      seed: fc.integer(),
      counts: fc.array(fc.nat(20), { minLength: 1, maxLength: 8 }).filter((counts) => sum(counts) > 0),
      factor: fc.double({ min: 1.3, max: 20, noNaN: true }),
      events: fc.constantFrom(1, 2, 10, 50),
      isPolite: fc.boolean(),
    });
    fc.assert(
      fc.property(load, ({ seed, counts, factor, events, isPolite }) => {
        const world = new LimitsWorld(randomOf(seed), counts.length, { eventsPerSecond: LIMIT });
        const perSecond = (LIMIT * factor) / events / sum(counts);
        const clients = clientsAt(counts, { perSecond, events, isPolite });
        world.run(SETTLING_SECONDS, clients);
        const accepted = sum(world.run(MEASURED_SECONDS, clients));
        expect(accepted / LIMIT).toBeGreaterThan(0.8);
        expect(accepted / LIMIT).toBeLessThan(1.2);
      }),
      { seed: 1, numRuns: 40 },
    );
  });
});

describe('processes that share a limit of requests in flight keep it within 20 %', () => {
  const LOADS = [
    ['60 over six processes', 60, [60, 30, 10, 10, 5, 5]],
    ['60, all at one process', 60, [120, 0, 0, 0, 0, 0]],
    ['10 over six processes', 10, [30, 10, 10, 5, 5, 5]],
    ['3, fewer than processes', 3, [10, 10, 10, 10, 10, 10]],
  ] as const;
  for (const [name, requestsInFlight, counts] of LOADS) {
    test.each(SEEDS)(`${name}, seed %i`, (seed) => {
      const world = new LimitsWorld(randomOf(seed), counts.length, { requestsInFlight });
      const clients = clientsAt(counts, { perSecond: 10, events: 1, isPolite: false, takesMs: 300 });
      world.run(SETTLING_SECONDS, clients);
      const inFlight = world.inFlight(MEASURED_SECONDS, clients);
      expect(inFlight).toBeGreaterThan(requestsInFlight * 0.8);
      expect(inFlight).toBeLessThan(requestsInFlight * 1.2);
    });
  }
});

describe('processes that come and go', () => {
  const client = { perSecond: 40, events: 1, isPolite: false };

  test.each(SEEDS)('a killed one loses its share after three seconds, seed %i', (seed) => {
    const world = new LimitsWorld(randomOf(seed), 6, { eventsPerSecond: LIMIT });
    world.run(5, clientsAt([5, 5, 5, 5, 5, 5], client));
    world.kill(0);
    world.kill(1);
    const left = clientsAt([0, 0, 8, 8, 7, 7], client);
    world.run(4, left);
    expect(sum(world.run(2, left))).toBeGreaterThan(LIMIT * 0.9);
  });

  test.each(SEEDS)('a new one has its part within a second, seed %i', (seed) => {
    const world = new LimitsWorld(randomOf(seed), 4, { eventsPerSecond: LIMIT });
    world.run(5, clientsAt([10, 10, 10, 10], client));
    const fresh = world.start();
    const all = clientsAt([10, 10, 10, 10, 10], client);
    expect(world.run(1, all)[fresh]).toBeGreaterThan((LIMIT / 5) * 0.8);
    expect(sum(world.run(5, all))).toBeLessThan(LIMIT * 1.1);
  });

  test.each(SEEDS)('idle ones keep nothing from busy ones: another gets it all, seed %i', (seed) => {
    const world = new LimitsWorld(randomOf(seed), 6, { eventsPerSecond: LIMIT });
    world.run(10, clientsAt([50], { ...client, perSecond: 20 }));
    const moved = clientsAt([0, 50], { ...client, perSecond: 20 });
    world.run(4, moved);
    expect(world.run(2, moved)[1]).toBeGreaterThan(LIMIT * 0.9);
  });

  test('without Redis each keeps the share that it has', () => {
    const world = new LimitsWorld(randomOf(1), 3, { eventsPerSecond: LIMIT });
    const clients = clientsAt([30, 20, 10], { ...client, perSecond: 20 });
    world.run(5, clients);
    for (const process of [0, 1, 2]) world.cutOff(process, true);
    const accepted = sum(world.run(20, clients));
    expect(accepted).toBeGreaterThan(LIMIT * 0.9);
    expect(accepted).toBeLessThan(LIMIT * 1.1);
  });

  test.each(SEEDS)('a producer below its limit is refused nothing, however uneven, seed %i', (seed) => {
    const world = new LimitsWorld(randomOf(seed), 6, { eventsPerSecond: LIMIT });
    const clients = clientsAt([10, 5, 3, 1, 1, 0], { perSecond: 20, events: 1, isPolite: false });
    world.run(3, clients);
    const before = sum(world.processes.map(({ refused }) => refused));
    world.run(20, clients);
    expect(sum(world.processes.map(({ refused }) => refused)) - before).toBe(0);
  });
});

describe('one process', () => {
  function limitsAlone(given: Partial<Limits>) {
    const clock = { nowMs: 0 };
    const limits = new RateLimits({ nowMs: () => clock.nowMs, random: () => 0 });
    const producer = { name: 'billing', limits: { ...NO_LIMITS, ...given } };
    const exchange = (): void => limits.divide(new Map([['own', limits.endPeriod()]]), 'own', 0);
    const slots: (Slot | null)[] = [];
    /** Null: a request has begun. */
    const enter = (): Refusal | null => {
      const refusal = limits.check(producer);
      if (refusal === null) slots.push(limits.enter(producer));
      return refusal;
    };
    return { clock, limits, producer, exchange, enter, slots };
  }

  test('refuses by the number of requests in flight, before anything is charged', () => {
    const { exchange, enter, slots } = limitsAlone({ requestsInFlight: 3 });
    expect(enter()).toBeNull();
    expect(enter()).toMatchObject({ status: 429, reason: 'requests_in_flight' });
    exchange();
    expect(enter()).toBeNull();
    exchange();
    expect(enter()).toBeNull();
    expect(enter()).toMatchObject({ reason: 'requests_in_flight', headers: { 'Retry-After': '1' } });
    slots.pop()?.leave();
    expect(enter()).toBeNull();
  });

  test('a request that began before its producer had a limit of requests in flight takes nothing from it', () => {
    const { limits, producer, exchange, enter, slots } = limitsAlone({ eventsPerSecond: 1_000 });
    for (let begun = 0; begun < 300; begun++) expect(enter()).toBeNull();
    const limited = { ...producer, limits: { ...producer.limits, requestsInFlight: 20 } };
    const slot = limits.enter(limited);
    for (const one of slots) one?.leave();
    exchange();
    expect([...limits.shares()].find(({ limit }) => limit === 'requests_in_flight')).toMatchObject({ wanted: 1 });
    for (let more = 0; more < 19; more++) {
      expect(limits.check(limited)).toBeNull();
      limits.enter(limited);
      exchange();
    }
    expect(limits.check(limited)).toMatchObject({ reason: 'requests_in_flight' });
    slot?.leave();
    expect(limits.check(limited)).toBeNull();
  });

  test('a request of one of several producers is refused if all are at a limit, until the first may send', () => {
    const { limits, producer, exchange } = limitsAlone({ eventsPerSecond: 10 });
    const other = { ...producer, name: 'other' };
    limits.charge(producer, 1_001, 0);
    expect(limits.check(producer, other)).toBeNull();
    limits.charge(other, 101, 0);
    exchange();
    expect(limits.check(producer, other)).toMatchObject({ status: 429, headers: { 'Retry-After': '10' } });
  });

  test('admits a batch larger than the bucket into debt, and says when the debt is paid', () => {
    const { clock, limits, producer, exchange, enter } = limitsAlone({ eventsPerSecond: 10 });
    expect(limits.charge(producer, 1_001, 0)).toBeNull();
    exchange();
    const refusal = limits.charge(producer, 1, 0);
    expect(refusal).toMatchObject({ status: 429, reason: 'events_per_second', headers: { 'Retry-After': '100' } });
    expect(enter(), 'without reading a body').toMatchObject({ reason: 'events_per_second' });
    clock.nowMs += 101_000;
    expect(enter()).toBeNull();
    expect(limits.charge(producer, 1, 0)).toBeNull();
  });

  test('a request that one rate refuses costs nothing of the other', () => {
    const { clock, limits, producer, exchange } = limitsAlone({ eventsPerSecond: 1_000, bytesPerSecond: 1_000 });
    expect(limits.charge(producer, 1, 10_000)).toBeNull();
    exchange();
    for (let sent = 0; sent < 100; sent++)
      expect(limits.charge(producer, 100, 1)).toMatchObject({ reason: 'bytes_per_second' });
    clock.nowMs += 10_000;
    expect(limits.charge(producer, 100, 1)).toBeNull();
  });

  test('spreads the time after which refused clients come again', () => {
    let random = 0;
    const limits = new RateLimits({ nowMs: () => 0, random: () => random });
    const producer = { name: 'p', limits: { ...NO_LIMITS, eventsPerSecond: 100 } };
    limits.charge(producer, 1_000, 0);
    const waits = [0, 0.25, 0.5, 0.75, 0.999].map((chosen) => {
      random = chosen;
      return Number(limits.charge(producer, 1, 0)?.headers?.['Retry-After']);
    });
    expect(new Set(waits).size).toBe(5);
    expect(waits[0]).toBe(198);
  });

  test('a limit that changes holds from the next request on, and one that goes limits nothing', () => {
    const { limits, producer } = limitsAlone({ eventsPerSecond: 10 });
    limits.charge(producer, 100, 0);
    expect(limits.charge(producer, 1, 0)).not.toBeNull();
    expect(limits.charge({ ...producer, limits: { ...NO_LIMITS } }, 1, 0)).toBeNull();
    expect([...limits.shares()]).toEqual([]);
  });

  test('says what it has and wants of each limit', () => {
    const { clock, limits, producer, exchange } = limitsAlone({ eventsPerSecond: 10, requestsInFlight: 4 });
    limits.enter(producer);
    limits.charge(producer, 5, 0);
    clock.nowMs += 1_000;
    exchange();
    expect([...limits.shares()]).toEqual([
      { producer: 'billing', limit: 'events_per_second', share: 10, wanted: 5 },
      { producer: 'billing', limit: 'requests_in_flight', share: 4, wanted: 1 },
    ]);
  });
});
