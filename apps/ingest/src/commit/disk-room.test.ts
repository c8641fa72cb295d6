import { statfsSync } from 'node:fs';
import { temporaryDirectory } from '@sink/testing';
import { expect, test } from 'vitest';
import { DiskRoom } from './disk-room.ts';

test('there is room above the floor; below it readiness says why events are refused', async () => {
  const directory = temporaryDirectory('disk');
  const { bavail, bsize } = statfsSync(directory);
  const problems: (string | null)[] = [];
  const ports = {
    clock: { sleep: async () => undefined },
    readiness: { set: (_name: string, problem: string | null) => void problems.push(problem) },
  };
  const above = new DiskRoom(directory, 1, ports);
  await above.look();
  expect([above.hasRoom(), problems]).toEqual([true, []]);
  const below = new DiskRoom(directory, bavail * bsize * 2, ports);
  await below.look();
  await below.look();
  expect(below.hasRoom()).toBe(false);
  expect(problems).toEqual([`the disk of ${directory} is nearly full: events are refused until there is room`]);
});

test('a disk about which the system says nothing has room', async () => {
  const ended = new AbortController();
  const clock = { sleep: async () => ended.abort() };
  const unknown = new DiskRoom('/nowhere/at/all', 1, { clock, readiness: { set: () => undefined } });
  await unknown.watchUntil(ended.signal);
  expect(unknown.hasRoom()).toBe(true);
});
