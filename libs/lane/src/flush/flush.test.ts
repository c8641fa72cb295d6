import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '@sink/testing';
import { expect, test } from 'vitest';
import { flushKey } from '../keys.ts';
import { readFlush } from '../steps/flush.ts';
import { LaneWorld, receiptOf, recordOf } from '../test/lane-world.ts';
import { flush, type FlushAnswer, type FlushCall, missingText } from './flush.ts';

const world = new LaneWorld();
const clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (ms: number) => delay(ms),
};
let asked = 0;

function ask(call: Partial<FlushCall> = {}, lanes: readonly number[] = [0]): Promise<FlushAnswer> {
  const ports = { redis: world.port, sinkName: 'sink', lanes, clock, signal: new AbortController().signal };
  asked += 1;
  return flush({ ...ports, id: `f${asked}` }, { path: null, waits: true, timeoutMs: 10_000, ...call });
}

async function sealed(segment: string, chunk: string, count: number): Promise<void> {
  await world.read();
  await world.seal(segment, [[chunk, 0, count]]);
}

test('it waits for what was appended before it, and for nothing else', async () => {
  const before = await world.append(2);
  const answer = ask({}, [0, 7]);
  const request = await eventually(async () => {
    const found = await readFlush(world.port, 'sink');
    expect(found).not.toBeNull();
    return found;
  });
  expect(request).toMatchObject({ upTo: { 0: before }, path: null, waits: true });
  expect(request?.upTo).not.toHaveProperty('7');
  await world.append(3);
  await sealed('s1', before, 2);
  await world.uploader.commit(receiptOf('s1'), 100);
  expect(await answer).toEqual({ kind: 'flushed' });
  expect(await world.redis.exists(flushKey('sink'))).toBe(0);
});

test('at the deadline it names what is missing: not sealed, not uploaded, spilled', async () => {
  expect(await ask()).toEqual({ kind: 'flushed' });
  const [a, b] = [await world.append(2), await world.append(3)];
  await world.append(4);
  await sealed('s1', a, 2);
  await world.seal('s2', [[b, 0, 1]]);
  await world.batcher.release(recordOf('s1', [[a, 0, 2]]), 'spool');
  const late = await ask({ timeoutMs: 1 });
  expect(late).toEqual({
    kind: 'late',
    missing: [{ lane: 0, unsealedEvents: 6, sealedEvents: 1, spilledSegments: 1, andMore: false }],
    problem: null,
  });
  if (late.kind !== 'late') throw new Error('it is late');
  expect(missingText(late)).toEqual([
    'lane 0: 6 events are in no sealed segment yet, 1 events are in segments that wait for their upload, 1 spilled segments wait for their upload',
  ]);
});

test('what was spilled before it counts until it is in the bucket', async () => {
  const chunk = await world.append(2);
  await sealed('s1', chunk, 2);
  await world.batcher.release(recordOf('s1', [[chunk, 0, 2]]), 'spool');
  expect(await ask({ timeoutMs: 1 })).toMatchObject({ kind: 'late' });
  await world.uploader.commit(receiptOf('s1'), 100);
  expect(await ask({ timeoutMs: 1 })).toEqual({ kind: 'flushed' });
});

test('of one path it waits for that path only', async () => {
  await world.append(2, { path: '2026/11/23/10' });
  expect(await ask({ path: '2026/11/23/11', timeoutMs: 1 })).toEqual({ kind: 'flushed' });
  expect(await ask({ path: '2026/11/23/10', timeoutMs: 1 })).toMatchObject({ kind: 'late' });
});

test('there is one at a time, and one that nobody waits for is over when it is done', async () => {
  const chunk = await world.append(2);
  const first = ask({ timeoutMs: 3_000 });
  await eventually(async () => expect(await readFlush(world.port, 'sink')).not.toBeNull());
  expect(await ask({ timeoutMs: 1 })).toMatchObject({ kind: 'busy', other: { upTo: { 0: chunk } } });
  await sealed('s1', chunk, 2);
  await world.uploader.commit(receiptOf('s1'), 100);
  expect(await first).toEqual({ kind: 'flushed' });

  const next = await world.append(1);
  expect(await ask({ waits: false })).toEqual({ kind: 'noted' });
  expect(await ask({ timeoutMs: 1 })).toMatchObject({ kind: 'busy', other: { waits: false } });
  await sealed('s2', next, 1);
  await world.uploader.commit(receiptOf('s2'), 100);
  expect(await ask({ timeoutMs: 1 })).toEqual({ kind: 'flushed' });
});

test('a request of an asker that was killed expires', async () => {
  await world.append(1);
  await ask({ waits: false, timeoutMs: 50 });
  await eventually(async () => expect(await readFlush(world.port, 'sink')).toBeNull());
  expect(await ask({ timeoutMs: 1 })).toMatchObject({ kind: 'late' });
});
