import type { SegmentRecord } from '@sink/domain';
import { GROUP, leaseKey, RedisInDoubt } from '@sink/lane';
import { eventually } from '@sink/testing';
import { describe, expect, test } from 'vitest';
import { BatcherWorld, PARTITION, type RunningBatcher } from '../test/batcher-world.ts';

const world = new BatcherWorld();

/** Invariant 1, seen from its end: everything is sealed, and nothing twice. */
async function everythingSealedOnce(): Promise<void> {
  await eventually(async () => expect(await world.sealedEvents()).toEqual(world.everyEvent));
  expect(await world.pending()).toBe(0);
}

async function holds(batcher: RunningBatcher, chunks: number): Promise<void> {
  await eventually(async () => {
    expect(batcher.openPaths()).toBe(1);
    expect(await world.pending()).toBe(chunks);
  });
}

describe('a batcher that died', () => {
  test('is taken over once its lease is gone, and not before', async () => {
    for (let n = 0; n < 3; n++) await world.append(5);
    const dead = world.batcher({ leaseMs: 100_000 });
    await holds(dead, 3);
    dead.kill();
    const heir = world.batcher();
    let looks = 0;
    heir.redis.before = async (name) => void (looks += name === 'claim' ? 1 : 0);
    // A read of the dead one may still be waiting in Redis, and get a chunk.
    await eventually(async () => {
      await world.append(1);
      expect(heir.openPaths()).toBe(1);
    });
    await eventually(async () => {
      expect((await world.lane.consumers()).toSorted()).toEqual([dead.consumer, heir.consumer].toSorted());
    });
    await eventually(() => expect(looks).toBeGreaterThan(3));
    expect(heir.reported.claimed).toEqual([]);
    await world.redis.del(leaseKey(world.lane.keys, dead.consumer));
    await eventually(() => expect(heir.reported.claimed).toMatchObject([{ from: dead.consumer }]));
    expect(heir.reported.claimed[0]?.chunks).toBeGreaterThanOrEqual(3);
    await heir.stop();
    await everythingSealedOnce();
    expect(await world.lane.consumers(), 'the dead one is gone, and the heir has left in order').toEqual([]);
  });

  test('left a chunk in two halves: the heir continues where the first was sealed up to', async () => {
    await world.append(7);
    const dead = world.batcher({ flushSize: 5, leaseMs: 100_000 });
    await eventually(async () => expect(await world.counts()).toEqual([5]));
    dead.kill();
    await world.redis.del(leaseKey(world.lane.keys, dead.consumer));
    const heir = world.batcher();
    await eventually(() => expect(heir.openPaths()).toBe(1));
    await heir.stop();
    expect((await world.records()).map(({ slices }) => slices.map(([, from, to]) => [from, to]))).toEqual([
      [[0, 5]],
      [[5, 7]],
    ]);
    await everythingSealedOnce();
  });
});

describe('a batcher that lost its lease', () => {
  test('throws away what is open and ends; another one seals it, nothing lost or doubled', async () => {
    for (let n = 0; n < 3; n++) await world.append(5);
    const late = world.batcher({ leaseMs: 300 });
    await holds(late, 3);
    await world.redis.del(leaseKey(world.lane.keys, late.consumer));
    expect(await late.ended).toBe('lease_lost');
    expect(await world.counts()).toEqual([]);
    const next = world.batcher();
    await holds(next, 3);
    await next.stop();
    await everythingSealedOnce();
  });

  test('while its seal is on its way: the seal that arrives late is refused, and nothing waits for it', async () => {
    await world.append(5);
    const late = world.batcher({ flushSize: 5, leaseMs: 300 });
    let arrive = (): void => undefined;
    const arrived = new Promise<void>((resolve) => (arrive = resolve));
    let held = false;
    late.redis.before = async (name) => {
      if (name !== 'seal') return;
      held = true;
      await arrived;
    };
    await eventually(() => held);
    await world.redis.del(leaseKey(world.lane.keys, late.consumer));
    const next = world.batcher({ flushSize: 5 });
    await everythingSealedOnce();
    arrive();
    expect(await late.ended).toBe('lease_lost');
    await next.stop();
    await everythingSealedOnce();
    expect(await world.counts()).toEqual([5]);
  });

  test('with Redis silent: a seal in doubt is not sent again, and the instance ends', async () => {
    await world.append(5);
    const late = world.batcher({ flushSize: 5, leaseMs: 300 });
    let sent = 0;
    late.redis.before = async (name) => {
      if (name !== 'seal') return;
      sent += 1;
      await world.redis.del(leaseKey(world.lane.keys, late.consumer));
      throw new RedisInDoubt('sealing');
    };
    expect(await late.ended).toBe('lease_lost');
    const sentUntilThen = sent;
    await world.append(1);
    expect(sent).toBe(sentUntilThen);
    expect(late.reported.sealingFailed.length).toBeGreaterThan(0);
  });
});

describe('recovery', () => {
  test('a refused seal: everything open is read again from where it was taken up to', async () => {
    const first = await world.append(4);
    await world.append(4);
    const batcher = world.batcher();
    await holds(batcher, 2);
    // Another batcher sealed half of the first chunk.
    const record = segment(first, 2);
    expect(await world.lane.seal(record, JSON.stringify(record))).toEqual({ kind: 'sealed' });
    await batcher.stop();
    expect(batcher.reported.recovering).toMatchObject([{ code: 'seal_refused' }]);
    await everythingSealedOnce();
  });

  test('a seal whose answer is lost is sent again as it was: one record', async () => {
    await world.append(5);
    const batcher = world.batcher({ flushSize: 5 });
    let lost = 0;
    batcher.redis.after = async (name) => {
      if (name === 'seal' && lost++ < 2) throw new RedisInDoubt('sealing');
    };
    await everythingSealedOnce();
    await batcher.stop();
    expect(lost).toBe(3);
    expect(await world.counts()).toEqual([5]);
    expect(batcher.uploads).toHaveLength(1);
  });

  test("an operator's XGROUP DELCONSUMER is healed by the scrub", async () => {
    for (let n = 0; n < 3; n++) await world.append(5);
    const dead = world.batcher({ leaseMs: 100_000 });
    await holds(dead, 3);
    dead.kill();
    await world.redis.xgroup('DELCONSUMER', world.lane.keys.chunks, GROUP, dead.consumer);
    const batcher = world.batcher({ flushSize: 5 });
    await everythingSealedOnce();
    expect(batcher.reported.restored).toBe(3);
    await batcher.stop();
  });

  test('a read that was delivered and lost is found in the pending list', async () => {
    await world.append(5);
    await world.lane.read('b-zombie', 10, 0);
    await world.lane.read('b-fixed', 10, 0);
    await world.append(5);
    await world.lane.read('b-fixed', 10, 0);
    const batcher = world.batcher({ consumer: 'b-fixed', flushSize: 5 });
    await everythingSealedOnce();
    await batcher.stop();
  });

  test('the consumer group is destroyed: everything is delivered again, and sealed once', async () => {
    await world.append(5);
    await world.append(3);
    const batcher = world.batcher({ flushSize: 5 });
    await eventually(async () => expect(await world.counts()).toEqual([5]));
    await world.redis.xgroup('DESTROY', world.lane.keys.chunks, GROUP);
    await world.append(2);
    await everythingSealedOnce();
    expect(await world.counts()).toEqual([5, 5]);
    await batcher.stop();
  });

  test('Redis comes back empty: the lane is opened again under a new uid, and the batcher continues', async () => {
    await world.append(3);
    const batcher = world.batcher({ flushSize: 5, leaseMs: 100_000 });
    await holds(batcher, 1);
    await world.redis.flushall();
    await eventually(async () => expect(await world.redis.hget(world.lane.keys.meta, 'uid')).toBe('uid2'));
    await world.open();
    await world.append(5);
    await eventually(async () => expect(await world.counts()).toEqual([5]));
    expect((await world.records())[0]?.key).toContain('/eventing-uid2-');
    await batcher.stop();
  });

  test('Redis is away for a while: few tries, and the batcher continues automatically', async () => {
    const batcher = world.batcher({ flushSize: 5, leaseMs: 60_000 });
    await world.append(3);
    await holds(batcher, 1);
    await world.server.kill();
    await eventually(() => expect(batcher.reported.recovering.length).toBeGreaterThan(2));
    const [before, startedAtMs] = [batcher.reported.recovering.length, performance.now()];
    await eventually(() => performance.now() - startedAtMs > 1_000);
    // Every try waits for longer than the one before, up to two seconds.
    expect(batcher.reported.recovering.length - before).toBeLessThanOrEqual(3);
    await world.server.restart();
    await eventually(() => world.redis.status === 'ready');
    await world.append(2);
    await everythingSealedOnce();
    await batcher.stop();
  });
});

describe('stopping', () => {
  test('seals what was appended by then, although ingests never pause', async () => {
    for (let n = 0; n < 50; n++) await world.append(1);
    const batcher = world.batcher({ readBlockMs: 1, flushSize: 100_000 });
    await eventually(() => expect(batcher.openPaths()).toBe(1));
    const pouring = new AbortController();
    const pour = (async () => {
      while (!pouring.signal.aborted) await Promise.all(Array.from({ length: 50 }, () => world.append(1)));
    })();
    const before = world.events;
    const startedAtMs = performance.now();
    await batcher.stop();
    expect(performance.now() - startedAtMs).toBeLessThan(15_000);
    pouring.abort();
    await pour;
    expect((await world.sealedEvents()).slice(0, before)).toEqual(Array.from({ length: before }, (_, id) => id));
    expect(await world.pending()).toBe(0);
    expect(await world.lane.leaseExists(batcher.consumer)).toBe(false);
  });

  test('before the first lease can be had it ends at once', async () => {
    await world.redis.rename(world.lane.keys.meta, 'elsewhere');
    await world.redis.set(world.lane.keys.meta, 'not ours');
    const batcher = world.batcher();
    await eventually(() => expect(batcher.reported.recovering).toMatchObject([{ code: 'WRONGTYPE' }]));
    expect(await batcher.stop()).toBe('stopped');
  });
});

/** The first events of a chunk, as a segment of another batcher. */
function segment(chunk: string, count: number): SegmentRecord {
  return {
    v: 1,
    id: 's-other',
    key: 'other',
    partition: PARTITION,
    slices: [[chunk, 0, count]],
    count,
    bytes: 1,
    sha256: '',
    compression: 'none',
    spool: 'b-other',
    acceptedAtMs: 1,
    sealedAtMs: 2,
  };
}
