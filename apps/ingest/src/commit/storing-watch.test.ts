import { RedisRefused } from '@sink/lane';
import { Readiness } from '@sink/runtime';
import { expect, test } from 'vitest';
import { StoringWatch } from './storing-watch.ts';

function setup() {
  const readiness = new Readiness();
  readiness.set('starting', null);
  const state = { stored: 0, full: 0, room: false, refusal: null as string | null };
  const watch = new StoringWatch({
    readiness,
    counts: () => ({ stored: state.stored, full: state.full }),
    tryStoring: async () => {
      if (state.refusal !== null) throw new RedisRefused('storing', state.refusal);
    },
    roomAgain: async () => state.room,
  });
  const names = async (): Promise<string[]> => {
    await watch.round();
    return Object.keys(readiness.problems());
  };
  return { state, watch, names, readiness };
}

test('ingest without room is unready, also while a balancer sends nothing, until there is well enough room', async () => {
  const { state, names } = setup();
  state.stored = 5;
  expect(await names()).toEqual([]);
  state.full = 3;
  expect(await names()).toEqual(['room']);
  expect(await names()).toEqual(['room']);
  state.room = true;
  expect(await names()).toEqual([]);
});

test('some refused for want of room while others are stored: it stays ready', async () => {
  const { state, names } = setup();
  Object.assign(state, { stored: 5, full: 3 });
  expect(await names()).toEqual([]);
});

test('ingest is unready while appends fail, with the reason, until a try of its own succeeds', async () => {
  const { state, watch, names, readiness } = setup();
  state.refusal = 'MISCONF the disk is full';
  watch.failed(new RedisRefused('append', state.refusal));
  expect(await names()).toEqual(['storing']);
  expect(readiness.problems()['storing']).toContain('MISCONF the disk is full; events are held');
  expect(await names()).toEqual(['storing']);
  state.refusal = null;
  expect(await names()).toEqual([]);
});

test('a try that succeeds says nothing while appends still fail; a stored one ends it at once', async () => {
  const { state, watch, names } = setup();
  for (let round = 0; round < 3; round++) {
    watch.failed(new RedisRefused('append', 'WRONGTYPE'));
    expect(await names()).toEqual(['storing']);
  }
  watch.failed(new RedisRefused('append', 'WRONGTYPE'));
  state.stored += 1;
  expect(await names()).toEqual([]);
});
