import { DEFAULT_ROUTE, QUARANTINE_ROUTE } from '@sink/domain';
import { BatcherLane, IoredisPort } from '@sink/lane';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '@sink/testing';
import { describe, expect, test } from 'vitest';
import { type AppendOutcome, type Part, plainPart } from './appender.ts';
import { commitWorlds, type CommitWorld } from '../test/commit-world.ts';

const commitWorld = commitWorlds();

const numbered = (count: number, name = 'e'): string[] =>
  Array.from({ length: count }, (_, n) => `{"id":"${name}${n}"}`);

/** Opens the lane and registers a writer: what comes then is one append. */
async function warmUp(world: CommitWorld): Promise<void> {
  expect((await world.submit('"warm"')).outcome).toBe('stored');
}

describe('group commit', () => {
  test('submissions of one tick share a chunk, and so one append', async () => {
    const world = await commitWorld();
    const lines = numbered(200);
    const outcomes = await Promise.all(lines.map((line) => world.submit(line)));
    expect(outcomes.every(({ outcome }) => outcome === 'stored')).toBe(true);
    expect(await world.chunks()).toEqual([lines]);
  });

  test('a chunk of any size is stored byte for byte, beyond ASCII too', async () => {
    const world = await commitWorld();
    const lines = [1, 600, 6_000].flatMap((count) => [numbered(count, 'ü€😀'), numbered(count, 'plain')]);
    for (const chunk of lines) {
      expect((await world.submit(...chunk)).outcome).toBe('stored');
    }
    expect(await world.chunks()).toEqual(lines);
  });

  test('submissions that arrive while a chunk is on its way form the next one', async () => {
    const world = await commitWorld();
    await warmUp(world);
    world.proxy.delay(20);
    const first = world.submit('"a"');
    await eventually(async () => (await world.redis.xlen(world.lane.keys.chunks)) === 2, { intervalMs: 1 });
    const rest = numbered(50).map((line) => world.submit(line));
    await Promise.all([first, ...rest]);
    expect((await world.chunks()).slice(1)).toEqual([['"a"'], numbered(50)]);
  });

  test('a chunk that is not full gathers behind an append in flight, and another writer takes it if that append is slow', async () => {
    const world = await commitWorld({ writers: 2, commandTimeoutMs: 5_000 });
    const { chunks } = world.lane.keys;
    // Two full chunks at once, one for each writer: both are registered from here on.
    await Promise.all(['a', 'b', 'c'].map((letter) => world.submit(JSON.stringify(letter.repeat(600_000)))));

    world.proxy.delay(4);
    // Some tries, for a machine that pauses in between.
    const tries = { timeoutMs: 5_000 };
    await eventually(async () => {
      const before = (await world.chunks()).length;
      const first = world.submit('"first"');
      await sleep(1); // it is on its way
      const early = world.submit('"early"');
      await sleep(3);
      await Promise.all([first, early, world.submit('"late"')]);
      expect((await world.chunks()).slice(before)).toEqual([['"first"'], ['"early"', '"late"']]);
    }, tries);

    world.proxy.delay(0);
    world.proxy.blackhole(true, 'answers');
    const before = await world.redis.xlen(chunks);
    const slow = world.submit('"slow"');
    await eventually(async () => expect(await world.redis.xlen(chunks)).toBe(before + 1));
    const behind = world.submit('"behind"');
    await eventually(async () => expect(await world.redis.xlen(chunks)).toBe(before + 2));
    world.proxy.blackhole(false);
    expect((await Promise.all([slow, behind])).map(({ outcome }) => outcome)).toEqual(['stored', 'stored']);
  });

  test('a chunk grows while turns of the event loop bring more for it', async () => {
    const world = await commitWorld();
    await warmUp(world);
    await eventually(async () => {
      const before = (await world.chunks()).length;
      const given: Promise<unknown>[] = [];
      for (let turn = 0; turn < 3; turn++) {
        given.push(world.submit(`"${turn}a"`), world.submit(`"${turn}b"`));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await Promise.all(given);
      expect((await world.chunks())[before]?.length).toBeGreaterThan(2);
    });
  });

  test('several writers store side by side, each event once', async () => {
    const world = await commitWorld({ writers: 3 });
    for (let round = 0; round < 5; round++) {
      const large = numbered(8, `r${round}-`).map((line) => line.replace('}', `,"x":"${'x'.repeat(400_000)}"}`));
      const given = await Promise.all(large.map((line) => world.submit(line)));
      expect(given.every(({ outcome }) => outcome === 'stored')).toBe(true);
    }
    const stored = (await world.chunks()).flat().map((line) => line.slice(0, 14));
    expect(new Set(stored).size).toBe(40);
    expect(stored).toHaveLength(40);
  });

  test('a request over several chunks is answered once all of them are durable', async () => {
    const world = await commitWorld();
    const lines = numbered(5).map((line) => line.replace('}', `,"x":"${'x'.repeat(600_000)}"}`));
    expect((await world.submit(...lines)).outcome).toBe('stored');
    expect((await world.chunks()).map((chunk) => chunk.length)).toEqual([1, 1, 1, 1, 1]);
  });

  test('the events of a large request are in the lane in their order, though several writers store it', async () => {
    const world = await commitWorld({ writers: 3 });
    const large = (prefix: string): string[] =>
      numbered(8, prefix).map((line) => line.replace('}', `,"x":"${'x'.repeat(600_000)}"}`));
    const idOf = (line: string): string => (JSON.parse(line) as { id: string }).id;
    for (let round = 0; round < 2; round++) {
      await Promise.all([
        world.submit(...large(`a${round}-`)),
        world.submit('{"id":"small"}'),
        world.submit(...large(`b${round}-`)),
      ]);
    }
    const ids = (await world.chunks()).flat().map(idOf);
    for (const request of ['a0-', 'a1-', 'b0-', 'b1-']) {
      const own = ids.filter((id) => id.includes(request));
      expect(own).toEqual(numbered(8, request).map(idOf));
    }
  });

  test('what is not stored of a large request is its end, also when connections are cut', async () => {
    const world = await commitWorld({ writers: 2, holdMaxMs: 600, backlogBytesMax: 40_000_000 });
    await warmUp(world);
    for (let round = 0; round < 4; round++) {
      const lines = numbered(6, `${round}-`).map((line) => line.replace('}', `,"x":"${'x'.repeat(900_000)}"}`));
      const told = world.submit(...lines);
      await sleep(round * 4);
      world.proxy.cut();
      await told;
    }
    const ids = (await world.chunks())
      .flat()
      .slice(1)
      .map((line) => /"id":"([^"]*)"/.exec(line)?.[1] ?? '');
    const places = new Map<string, number>();
    for (const id of ids) {
      const [round = '', place = ''] = id.split('-');
      expect(Number(place)).toBe(places.get(round) ?? 0);
      places.set(round, Number(place) + 1);
    }
  });

  test('a request for which there is no room is refused whole, before its first chunk', async () => {
    const world = await commitWorld({ backlogBytesMax: 2_000_000, holdMaxMs: 200 });
    const lines = numbered(4).map((line) => line.replace('}', `,"x":"${'x'.repeat(600_000)}"}`));
    expect((await world.submit(...lines)).outcome).toBe('backlog_full');
    expect(await world.chunks()).toEqual([]);
  });

  test('the turn of the hour is a turn of the chunk, though both are submitted in one tick', async () => {
    const world = await commitWorld();
    world.setWallMs(Date.UTC(2026, 10, 23, 10, 59, 59, 999));
    const before = world.submit('"before"');
    world.setWallMs(Date.UTC(2026, 10, 23, 11));
    const after = world.submit('"after"');
    world.setWallMs(Date.UTC(2026, 10, 23, 10, 59, 59, 990)); // the clock was set back
    const back = world.submit('"back"');
    await Promise.all([before, after, back]);
    expect(await world.partitions()).toEqual(['2026/11/23/10', '2026/11/23/11', '2026/11/23/10']);
    expect(await world.chunks()).toEqual([['"before"'], ['"after"'], ['"back"']]);
  });

  test('daily partitions turn at midnight', async () => {
    const world = await commitWorld({ timeInterval: 'DAILY' });
    world.setWallMs(Date.UTC(2026, 10, 23, 23, 59, 59, 999));
    const before = world.submit('"before"');
    world.setWallMs(Date.UTC(2026, 10, 24));
    await Promise.all([before, world.submit('"after"')]);
    expect(await world.partitions()).toEqual(['2026/11/23', '2026/11/24']);
  });
});

describe('several destinations', () => {
  const to = (path: string, ...lines: string[]): Part => ({ route: DEFAULT_ROUTE, path, lines, dedupe: true });
  const evidence = (...lines: string[]): Part => ({ route: QUARANTINE_ROUTE, path: null, lines, dedupe: false });

  test('requests of one tick are one append, with a chunk for each destination', async () => {
    const world = await commitWorld();
    await warmUp(world);
    const told = await Promise.all([
      world.submitParts(plainPart(['"a"']), evidence('"bad a"')),
      world.submitParts(to('x', '"b"')),
      world.submitParts(to('x', '"c"'), plainPart(['"d"'])),
    ]);
    expect(told.map(({ outcome }) => outcome)).toEqual(['stored', 'stored', 'stored']);
    expect((await world.chunks()).slice(1)).toEqual([['"a"', '"d"'], ['"bad a"'], ['"b"', '"c"']]);
    expect(await world.redis.hvals(world.lane.keys.writers)).toEqual([expect.stringMatching(/^2 stored /)]);
  });

  test('a request for which there is no room is refused with all its parts, and so is one in doubt stored whole', async () => {
    const world = await commitWorld({ backlogBytesMax: 20_000, holdMaxMs: 1_000, retryWaitMs: 100 });
    await warmUp(world);
    const large = JSON.stringify('x'.repeat(15_000));
    expect((await world.submitParts(plainPart(['"small"']), to('x', large), evidence(large))).outcome).toBe(
      'backlog_full',
    );
    expect(await world.chunks()).toEqual([['"warm"']]);
    world.proxy.blackhole(true, 'answers');
    const doubtful = world.submitParts(plainPart(['"p"']), to('x', '"q"'), evidence('"r"'));
    await eventually(async () => expect(await world.redis.xlen(world.lane.keys.chunks)).toBe(4));
    world.proxy.cut();
    world.proxy.blackhole(false);
    expect((await doubtful).outcome).toBe('stored');
    expect((await world.chunks()).slice(1)).toEqual([['"p"'], ['"q"'], ['"r"']]);
  });
});

describe('invariant 4: doubt about an append', () => {
  test('a cut before the answer ends with one stored copy and a 2xx', async () => {
    const world = await commitWorld();
    await warmUp(world);
    world.proxy.blackhole(true, 'answers');
    const pending = world.submit('"a"');
    await eventually(async () => (await world.redis.xlen(world.lane.keys.chunks)) === 2);
    world.proxy.cut();
    world.proxy.blackhole(false);
    expect((await pending).outcome).toBe('stored');
    expect(await world.chunks()).toEqual([['"warm"'], ['"a"']]);
  });

  test('cuts at any moment never store an event twice, and every 2xx is stored', async () => {
    const world = await commitWorld({ writers: 2 });
    await warmUp(world);
    const stored: string[] = [];
    const cutting = new AbortController();
    const cuts = (async () => {
      for (let n = 0; !cutting.signal.aborted; n++) {
        // Now and then a while in which even a slow machine gets a chunk through.
        await sleep(n % 8 === 7 ? 150 : 3 + (n % 8));
        world.proxy.cut();
      }
    })();
    for (let round = 0; round < 25; round++) {
      const lines = numbered(3, `${round}-`);
      const outcomes = await Promise.all(lines.map((line) => world.submit(line)));
      for (const [n, { outcome }] of outcomes.entries()) if (outcome === 'stored') stored.push(lines[n] ?? '');
    }
    cutting.abort();
    await cuts;
    const all = (await world.chunks()).flat();
    expect(new Set(all).size).toBe(all.length);
    expect(stored.filter((line) => !all.includes(line))).toEqual([]);
    expect(stored.length).toBeGreaterThan(30);
  });

  test('an append that arrives after its 503 changes no later answer, and is stored once at most', async () => {
    const world = await commitWorld({ holdMaxMs: 2_000, commandTimeoutMs: 100 });
    await warmUp(world);
    world.proxy.blackhole(true, 'requests');
    expect((await world.submit('"late"')).outcome).toBe('in_doubt');
    world.proxy.blackhole(false); // what was held goes through now, every copy of it
    expect((await world.submit('"next"')).outcome).toBe('stored');
    const lines = (await world.chunks()).flat();
    expect(lines.filter((line) => line === '"late"').length).toBeLessThanOrEqual(1);
    expect(lines.at(-1)).toBe('"next"');
  });

  test('a chunk that is stored, but not as durable as asked for, gets no 2xx', async () => {
    const durability = { waitaof: false, replicas: 0, timeoutMs: 50 };
    const world = await commitWorld({ holdMaxMs: 2_000, durability });
    await warmUp(world);
    durability.replicas = 1; // as when the replica is lost: there is none
    expect((await world.submit('"a"')).outcome).toBe('in_doubt');
    expect(await world.chunks()).toEqual([['"warm"'], ['"a"']]);
    expect(world.problems).toContainEqual(expect.objectContaining({ code: 'NOTDURABLE' }));
  });
});

describe('holding', () => {
  const HOLD_MS = 2_000;
  /** A broker waits for five seconds. */
  const inTime = { least: HOLD_MS - 250, most: HOLD_MS + 2_000 };
  /** So long before the end of the hold no try begins any more that a slow machine would leave in doubt. */
  const retryWaitMs = 200;

  test('a Redis that does not answer at all: requests in flight and behind them are refused in time', async () => {
    const world = await commitWorld({ holdMaxMs: HOLD_MS, commandTimeoutMs: 10_000 });
    await warmUp(world);
    world.server.signal('SIGSTOP');
    const first = world.submit('"first"');
    await new Promise((resolve) => setTimeout(resolve, 150));
    const second = world.submit('"second"');
    for (const [submission, outcome] of [
      [first, 'in_doubt'],
      [second, 'redis_away'],
    ] as const) {
      const given = await submission;
      expect(given.outcome).toBe(outcome);
      expect(given.tookMs).toBeGreaterThan(inTime.least);
      expect(given.tookMs).toBeLessThan(inTime.most);
    }
    world.server.signal('SIGCONT');
    await eventually(async () => (await world.chunks()).length === 2);
    expect((await world.submit('"third"')).outcome).toBe('stored');
    expect((await world.chunks()).flat()).toEqual(['"warm"', '"first"', '"third"']);
  });

  test('a Redis that cannot be reached: requests are refused in time, as surely not stored', async () => {
    const world = await commitWorld({ holdMaxMs: HOLD_MS });
    await warmUp(world);
    await world.proxy.refuse(true);
    world.proxy.cut();
    await eventually(() => world.proxy.connections() === 0);
    const given = await world.submit('"a"');
    expect(given.outcome).toBe('redis_away');
    expect(given.tookMs).toBeGreaterThan(inTime.least);
    expect(given.tookMs).toBeLessThan(inTime.most);
    await world.proxy.refuse(false);
    expect((await world.submit('"b"')).outcome).toBe('stored');
    expect((await world.chunks()).flat()).toEqual(['"warm"', '"b"']);
  });

  test('a later request waits as long, and is stored if Redis is back in time', async () => {
    const world = await commitWorld({ holdMaxMs: HOLD_MS });
    await warmUp(world);
    await world.proxy.refuse(true);
    world.proxy.cut();
    const early = [world.submit('"in flight"'), world.submit('"with it"')];
    await new Promise((resolve) => setTimeout(resolve, 50));
    const waiting = world.submit('"waiting"');
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const late = world.submit('"late"');
    expect((await waiting).outcome).toBe('redis_away');
    await Promise.all(early);
    await world.proxy.refuse(false);
    expect((await late).outcome).toBe('stored');
  });

  test('a request that has waited before is refused first, though others came earlier', async () => {
    const world = await commitWorld({ holdMaxMs: 3_000 });
    await warmUp(world);
    await world.proxy.refuse(true);
    world.proxy.cut();
    const order: string[] = [];
    const given = [
      world.submit('"in flight"').then(() => order.push('in flight')),
      world.submit('"fresh"').then(() => order.push('fresh')),
      world.submitHeld(2_000, '"held"').then(({ outcome }) => order.push(`held ${outcome}`)),
      world.submitHeld(2_990, '"held for long"').then(({ outcome }) => order.push(`held for long ${outcome}`)),
    ];
    await Promise.all(given);
    expect(order.slice(0, 2)).toEqual(['held for long redis_away', 'held redis_away']);
  });

  test('a full backlog: requests in flight and behind them are refused with it in time, and stored as soon as there is room', async () => {
    const world = await commitWorld({ holdMaxMs: HOLD_MS, backlogBytesMax: 10_000, retryWaitMs });
    expect((await world.submit(...numbered(5))).outcome).toBe('stored');
    await world.redis.hset(world.lane.keys.backlog, 'bytes', 10_000);
    const first = world.submit('"first"');
    await new Promise((resolve) => setTimeout(resolve, 20));
    const second = world.submit('"second"');
    expect([(await first).outcome, (await second).outcome]).toEqual(['backlog_full', 'backlog_full']);
    expect((await first).tookMs).toBeLessThan(inTime.most);
    const held = world.submit('"held"');
    await new Promise((resolve) => setTimeout(resolve, 100));
    await world.redis.hset(world.lane.keys.backlog, 'bytes', 100);
    expect((await held).outcome).toBe('stored');
    expect((await world.chunks()).flat()).toEqual([...numbered(5), '"held"']);
  });

  test('a Redis at maxmemory counts as full, and accepts again when there is room', async () => {
    const world = await commitWorld({ holdMaxMs: HOLD_MS, retryWaitMs });
    await warmUp(world);
    await world.redis.config('SET', 'maxmemory', '1');
    expect((await world.submit('"a"')).outcome).toBe('backlog_full');
    const held = world.submit('"b"');
    await new Promise((resolve) => setTimeout(resolve, 50));
    await world.redis.config('SET', 'maxmemory', '256mb');
    expect((await held).outcome).toBe('stored');
    expect((await world.chunks()).flat()).toEqual(['"warm"', '"b"']);
  });
});

describe('Redis comes back', () => {
  test('after a crash: answered events are there, waiting ones are stored once', async () => {
    const world = await commitWorld();
    await world.submit('"before"');
    const during = world.submit('"during"');
    await world.server.kill();
    const waiting = world.submit('"waiting"');
    await world.server.restart();
    expect((await during).outcome).toBe('stored');
    expect((await waiting).outcome).toBe('stored');
    await eventually(() => world.redis.status === 'ready');
    expect((await world.chunks()).flat().sort()).toEqual(['"before"', '"during"', '"waiting"']);
  });

  test('empty: the lane is opened again under another uid, and no chunk is sent under an old number', async () => {
    const world = await commitWorld();
    await world.submit('"before"');
    const uid = await world.redis.hget(world.lane.keys.meta, 'uid');
    await world.redis.flushall();
    expect((await world.submit('"after"')).outcome).toBe('stored');
    expect(await world.chunks()).toEqual([['"after"']]);
    const reopened = await world.redis.hget(world.lane.keys.meta, 'uid');
    expect(reopened).toMatch(/^[0-9a-f]{16}$/);
    expect(reopened).not.toBe(uid);
    const batcher = new BatcherLane(new IoredisPort(world.redis), 'sink', 0);
    expect(await batcher.read('b1', 10, 0)).toHaveLength(1);
  });

  test('empty while an append was in doubt: its requests are answered with doubt, and it is not sent again', async () => {
    const world = await commitWorld({ holdMaxMs: 2_000 });
    await world.submit('"before"');
    world.proxy.blackhole(true, 'answers');
    const doubtful = world.submit('"doubtful"');
    await eventually(async () => (await world.redis.xlen(world.lane.keys.chunks)) === 2);
    await world.redis.flushall();
    world.proxy.cut();
    world.proxy.blackhole(false);
    expect((await doubtful).outcome).toBe('in_doubt');
    expect((await world.submit('"after"')).outcome).toBe('stored');
    expect((await world.chunks()).flat()).toEqual(['"after"']);
  });
});

describe('stopping', () => {
  test('settles chunks in flight and waiting ones, removes the writers, and takes no more', async () => {
    const world = await commitWorld({ writers: 2 });
    const submissions = numbered(20).map((line) => world.submit(line));
    const stopped = world.commit.stop();
    expect(world.commit.stop()).toBe(stopped);
    expect((await world.submit('"too late"')).outcome).toBe('stopping');
    await stopped;
    expect((await Promise.all(submissions)).every(({ outcome }) => outcome === 'stored')).toBe(true);
    expect(await world.redis.exists(world.lane.keys.writers)).toBe(0);
    expect(world.crashes).toEqual([]);
  });

  test('when idle, ends at once', async () => {
    const world = await commitWorld();
    await world.commit.stop();
    expect(await world.redis.exists(world.lane.keys.meta)).toBe(0);
  });

  test('with Redis away, ends when the last hold is over', async () => {
    const world = await commitWorld({ holdMaxMs: 300 });
    await world.proxy.refuse(true);
    world.proxy.cut();
    const submissions = [world.submit('"a"'), world.submit('"b"')];
    await new Promise((resolve) => setTimeout(resolve, 10));
    submissions.push(world.submit('"c"'));
    await world.commit.stop();
    const outcomes = (await Promise.all(submissions)).map(({ outcome }) => outcome);
    expect(outcomes.every((outcome) => outcome === 'redis_away' || outcome === 'in_doubt')).toBe(true);
  });
});

describe('clients that have left', () => {
  test('their events are not sent, and those of the others in the chunk are stored once', async () => {
    const world = await commitWorld();
    await warmUp(world);
    const before = await world.chunks();
    const outcomes = new Map<string, AppendOutcome>();
    for (const line of numbered(6)) {
      const hasLeft = line.includes('2') || line.includes('4');
      world.commit.appender.submit(
        [plainPart([line])],
        (outcome) => outcomes.set(line, outcome),
        0,
        () => hasLeft,
      );
    }
    await expect.poll(() => outcomes.size).toBe(6);
    const stored = (await world.chunks()).slice(before.length).flat();
    expect(stored).toEqual(numbered(6).filter((line) => outcomes.get(line) === 'stored'));
    expect([...outcomes.values()].filter((outcome) => outcome === 'gone')).toHaveLength(2);
  });

  test('what waited while Redis was away is asked again when it is back', async () => {
    const world = await commitWorld({ holdMaxMs: 5_000 });
    await world.proxy.refuse(true);
    world.proxy.cut();
    const outcomes: AppendOutcome[] = [];
    let hasLeft = false;
    world.commit.appender.submit(
      [plainPart(['"leaves"'])],
      (outcome) => outcomes.push(outcome),
      0,
      () => hasLeft,
    );
    await sleep(100);
    expect(outcomes).toEqual([]);
    hasLeft = true;
    await world.proxy.refuse(false);
    await expect.poll(() => outcomes).toEqual(['gone']);
    expect(await world.chunks()).toEqual([]);
    expect((await world.submit('"next"')).outcome).toBe('stored');
  });
});

test('what waits too long while Redis answers is refused as overloaded, not as Redis being away', async () => {
  const world = await commitWorld({ holdMaxMs: 20_000, commandTimeoutMs: 20_000 });
  await warmUp(world);
  world.proxy.delay(400);
  const told = [world.submit('"first"')];
  for (let number = 0; number < 6; number++) {
    await sleep(20);
    told.push(world.submitHeld(number < 3 ? 0 : 19_900, `"${number}"`));
  }
  const outcomes = (await Promise.all(told)).map(({ outcome }) => outcome);
  expect(outcomes).toContain('overloaded');
  expect(outcomes).not.toContain('redis_away');
});

describe('a broken invariant', () => {
  test('is answered as doubt, and reported as a crash', async () => {
    const world = await commitWorld();
    await warmUp(world);
    const writer = (await world.redis.hkeys(world.lane.keys.writers))[0] ?? '';
    await world.redis.hset(world.lane.keys.writers, writer, '2 nonsense 1');
    expect((await world.submit('"a"')).outcome).toBe('in_doubt');
    expect(world.crashes).toEqual([expect.objectContaining({ code: 'unexpected_answer' })]);
  });
});
