import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SpoolDirectory, type SpoolFile } from '@sink/spool';
import { eventually } from '@sink/testing';
import { describe, expect, test } from 'vitest';
import { BATCHER_LIMITS } from '../settings.ts';
import { BatcherWorld } from '../test/batcher-world.ts';
import { SpoolJanitor } from './spool-janitor.ts';

const world = new BatcherWorld();
const SETTINGS = { ...BATCHER_LIMITS, barrier: { waitaof: false, replicas: 0, timeoutMs: 1_000 } };

async function tidy(instance: string, isClosing: (segmentId: string) => boolean = () => false): Promise<number> {
  const ports = { spool: new SpoolDirectory(world.spoolDir), lanes: [world.lane], isClosing };
  const janitor = new SpoolJanitor(ports, SETTINGS, { instance, spoolId: 'spool-1' });
  return (await janitor.tidy()).removed;
}

function files(instance: string): Promise<SpoolFile[]> {
  return new SpoolDirectory(world.spoolDir).files(instance);
}

/** A file of an instance that writes nothing more. */
async function leaveFile(instance: string, name: string): Promise<void> {
  await mkdir(join(world.spoolDir, instance), { recursive: true });
  await writeFile(join(world.spoolDir, instance, name), 'bytes');
}

describe('tidying the spool', () => {
  test('a dead neighbour: open files and sealed ones without a record are removed, those with a record stay', async () => {
    await world.append(7);
    const dead = world.batcher({ flushSize: 5, leaseMs: 200, pathInMemoryBytesMax: 0 });
    await eventually(async () => expect(await world.counts()).toEqual([5]));
    await eventually(async () => {
      const states = (await files(dead.consumer)).map(({ state }) => state);
      expect(states.toSorted()).toEqual(['open', 'sealed']);
    });
    dead.kill();
    await leaveFile(dead.consumer, 's-refused.segment');
    await leaveFile(dead.consumer, 'notes.txt');
    await world.redis.del(await world.redis.keys('*lease*'));
    expect(await tidy('b-me')).toBe(2);
    const [record] = await world.records();
    expect(await files(dead.consumer)).toEqual([{ segmentId: record?.id, state: 'sealed' }]);
    if (record) expect(await world.lines(record)).toHaveLength(5);
    expect(existsSync(join(world.spoolDir, dead.consumer, 'notes.txt'))).toBe(true);
    expect(await tidy('b-me')).toBe(0);
  });

  test('a living neighbour: nothing is touched, however often, not even an empty folder', async () => {
    await world.append(7);
    const neighbour = world.batcher({ flushSize: 5, leaseMs: 60_000, pathInMemoryBytesMax: 0 });
    await eventually(async () => expect(await world.counts()).toEqual([5]));
    await eventually(() => expect(neighbour.openFiles()).toBe(1));
    await leaveFile(neighbour.consumer, 's-on-its-way.segment');
    await world.lane.takeLease('b-new', 60_000);
    await mkdir(join(world.spoolDir, 'b-new'));
    for (let round = 0; round < 3; round++) expect(await tidy('b-me')).toBe(0);
    expect(existsSync(join(world.spoolDir, 'b-new'))).toBe(true);
    expect(await neighbour.stop()).toBe('stopped');
    expect(await world.sealedEvents()).toEqual(world.everyEvent);
  });

  test('our own: open files and those that are closing are left alone, superfluous ones are removed', async () => {
    const spool = new SpoolDirectory(world.spoolDir).instance('b-me');
    await spool.createSegment({ segmentId: 's-filling', compression: 'none' });
    await leaveFile('b-me', 's-closing.segment');
    await leaveFile('b-me', 's-committed.segment');
    expect(await tidy('b-me', (id) => id === 's-closing')).toBe(1);
    expect((await files('b-me')).map(({ segmentId }) => segmentId).toSorted()).toEqual(['s-closing', 's-filling']);
    await spool.close();
  });

  test('the empty folder of a dead neighbour is removed, and a spool that does not exist is no problem', async () => {
    expect(await tidy('b-me')).toBe(0);
    await mkdir(join(world.spoolDir, 'b-dead'), { recursive: true });
    await tidy('b-me');
    expect(existsSync(join(world.spoolDir, 'b-dead'))).toBe(false);
  });

  test('while Redis does not answer nothing is removed', async () => {
    await leaveFile('b-other', 's-1.open');
    await world.server.kill();
    const spool = new SpoolDirectory(world.spoolDir);
    const janitor = new SpoolJanitor({ spool, lanes: [world.strictLane()], isClosing: () => false }, SETTINGS, {
      instance: 'b-me',
      spoolId: null,
    });
    await expect(janitor.tidy()).rejects.toMatchObject({ retryable: true });
    await world.server.restart();
    expect(await files('b-other')).toHaveLength(1);
  });
});
