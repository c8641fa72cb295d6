import { destinationOf } from '@sink/domain';
import { leaseKey } from '@sink/lane';
import { eventually } from '@sink/testing';
import { describe, expect, test } from 'vitest';
import { BatcherWorld, PARTITION } from '../test/batcher-world.ts';

const world = new BatcherWorld();

async function everyEventIsSealed(): Promise<void> {
  await eventually(async () => expect(await world.sealedEvents()).toEqual(world.everyEvent));
}

/** Each object's events, by their place in the file; the ids count up in the order of the lane. */
async function idsInObjects(): Promise<number[][]> {
  const files = await Promise.all((await world.records()).map((record) => world.lines(record)));
  return files.map((lines) => lines.map((line) => (JSON.parse(line) as { id: number }).id));
}

async function expectOrderInObjects(): Promise<void> {
  for (const ids of await idsInObjects()) expect(ids).toEqual(ids.toSorted((a, b) => a - b));
}

describe('the order of events in an object is that of the lane', () => {
  test('after a takeover: the file is closed before older chunks come', async () => {
    await world.append(3);
    const dead = world.batcher({ leaseMs: 100_000 });
    await eventually(() => expect(dead.openPaths()).toBe(1));
    dead.kill();
    const heir = world.batcher();
    // A read of the dead one may still be waiting in Redis, and get a chunk.
    await eventually(async () => {
      await world.append(2);
      expect(heir.openPaths()).toBe(1);
    });
    await world.append(1, { partition: '2026/11/23/09' });
    await world.redis.del(leaseKey(world.lane.keys, dead.consumer));
    await eventually(() => expect(heir.reported.claimed).toMatchObject([{ from: dead.consumer }]));
    await world.append(2);
    await heir.stop();
    await everyEventIsSealed();
    await expectOrderInObjects();
    expect((await world.records()).filter((record) => destinationOf(record).path === PARTITION)).toHaveLength(2);
  });

  test('after a read that was delivered and lost', async () => {
    await world.append(3);
    const batcher = world.batcher({ consumer: 'b-fixed', auditEveryMs: 600_000 });
    await eventually(() => expect(batcher.openPaths()).toBe(1));
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    let isHeld = false;
    batcher.redis.before = async (name) => {
      if (name !== 'HMGET') return;
      isHeld = true;
      await released;
    };
    await world.append(2);
    await eventually(() => isHeld);
    await world.append(2);
    expect(await world.lane.read('b-fixed', 10, 0)).toHaveLength(1);
    await world.append(2);
    release();
    await eventually(async () => expect(await world.pending()).toBe(4));
    await batcher.stop();
    await everyEventIsSealed();
    await expectOrderInObjects();
    expect(await world.counts()).toEqual([7, 2]);
  });

  test('without such chunks no file is closed early', async () => {
    for (let n = 0; n < 20; n++) await world.append(3);
    const batcher = world.batcher({ readChunksMax: 2 });
    await eventually(() => expect(batcher.openPaths()).toBe(1));
    await batcher.stop();
    expect(await world.counts()).toEqual([60]);
  });
});
