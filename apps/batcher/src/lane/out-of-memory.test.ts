import { eventually } from '@sink/testing';
import { expect, test } from 'vitest';
import { BatcherWorld } from '../test/batcher-world.ts';

const world = new BatcherWorld(['--maxmemory', '12mb']);

test('invariant 9: with maxmemory filled by foreign keys a batcher starts, seals and stops', async () => {
  const dead = world.batcher({ leaseMs: 200 });
  for (let n = 0; n < 10; n++) await world.append(10);
  // It has read all of them, so that they are taken over in order.
  await eventually(async () => expect(await world.lane.pending(dead.consumer, '')).toHaveLength(10));
  dead.kill();
  const free = await world.fillMemory();
  // Well below what is used, so that no buffer that Redis gives back makes room.
  await world.redis.config('SET', 'maxmemory', '11mb');
  await expect(world.append(1)).rejects.toMatchObject({ code: 'OOM' });
  await world.redis.script('FLUSH');

  const batcher = world.batcher({ flushSize: 30 });
  await eventually(async () => expect(await world.counts()).toEqual([30, 30, 30]));
  expect(await batcher.stop()).toBe('stopped');
  expect(await world.counts()).toEqual([30, 30, 30, 10]);
  expect(batcher.reported.recovering).toEqual([]);
  await free();
});
