import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '@sink/runtime';
import { SpoolDirectory } from '@sink/spool';
import { temporaryDirectory } from '@sink/testing';
import { expect, test } from 'vitest';
import { BATCHER_LIMITS } from '../settings.ts';
import { SpoolRoom, type SpoolRoomOptions } from './spool-room.ts';

const MIB = 1024 * 1024;

interface Looked {
  readonly room: SpoolRoom;
  readonly usedBytes: () => number;
  readonly disks: { freeBytes: number; totalBytes: number; reserveBytes: number }[];
  readonly changes: (string | null)[];
  /** Late enough for the files to be added up again. */
  readonly look: () => Promise<void>;
}

function roomIn(directory: string, options: Partial<SpoolRoomOptions>): Looked {
  const changes: (string | null)[] = [];
  const disks: Looked['disks'] = [];
  let [nowMs, usedBytes] = [0, 0];
  const room = new SpoolRoom(
    {
      spool: new SpoolDirectory(directory),
      clock: { ...systemClock, monotonicMs: () => nowMs },
      used: (bytes) => void (usedBytes = bytes),
      disk: (disk) => void disks.push(disk),
      changed: (problem) => void changes.push(problem),
    },
    { ...BATCHER_LIMITS, spoolBytesMax: null, reserveBytes: 0, ...options },
  );
  return {
    room,
    changes,
    disks,
    usedBytes: () => usedBytes,
    look: () => {
      nowMs += 10_000;
      return room.look();
    },
  };
}

test('a spool has room until what it holds, and what was written since, reach its limit', async () => {
  const directory = temporaryDirectory('room');
  mkdirSync(join(directory, 'b-1'));
  writeFileSync(join(directory, 'b-1', 'a'), Buffer.alloc(10 * MIB));
  const { room, usedBytes, changes, look } = roomIn(directory, { spoolBytesMax: 64 * MIB });
  await look();
  expect([room.hasRoom(), usedBytes()]).toEqual([true, 10 * MIB]);
  room.took(30 * MIB);
  expect(room.hasRoom()).toBe(true);
  room.took(10 * MIB);
  expect(room.hasRoom()).toBe(false);
  await look(); // it did not get to the disk after all
  expect(room.hasRoom()).toBe(true);
  writeFileSync(join(directory, 'b-1', 'b'), Buffer.alloc(45 * MIB));
  await look();
  expect(room.hasRoom()).toBe(false);
  rmSync(join(directory, 'b-1', 'b'));
  await look();
  expect(changes.map((problem) => problem?.includes('max_spool_bytes') ?? null)).toEqual([true, null, true, null]);
});

test('some of the disk is left to others', async () => {
  const directory = temporaryDirectory('room');
  const { freeBytes } = await new SpoolDirectory(directory).disk();
  const { room, disks, look } = roomIn(directory, { reserveBytes: Math.floor(freeBytes / 2) });
  await look();
  expect(room.hasRoom()).toBe(true);
  expect(disks).toEqual([expect.objectContaining({ reserveBytes: Math.floor(freeBytes / 2) })]);
  expect(disks[0]?.freeBytes).toBeGreaterThan(0);
  expect(disks[0]?.totalBytes).toBeGreaterThan(disks[0]?.freeBytes ?? Infinity);
  const { room: full, changes, look: lookAgain } = roomIn(directory, { reserveBytes: freeBytes * 2 });
  await lookAgain();
  expect(full.hasRoom()).toBe(false);
  expect(changes[0]).toContain('disk_reserve_bytes');
});
