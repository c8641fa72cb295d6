import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type BodyRoom, BodyRooms } from './body-rooms.ts';

const MAX = 9_000;

const roomsOf = (producers = 9): BodyRooms => new BodyRooms({ maxInFlightBytes: MAX }, () => producers);

function requestOf(rooms: BodyRooms, producer: string): BodyRoom {
  const request = rooms.of(producer);
  if (request === null) throw new Error('nothing bounds it');
  return request;
}

/** As many requests as its producer may have. */
function fill(rooms: BodyRooms, producer: string, bytes: number): BodyRoom[] {
  const requests: BodyRoom[] = [];
  for (;;) {
    const request = requestOf(rooms, producer);
    if (!request.hold(bytes)) return requests;
    requests.push(request);
  }
}

test('one producer alone gets a third, and a second one still has room', () => {
  const rooms = roomsOf();
  expect(fill(rooms, 'greedy', 100)).toHaveLength(30);
  expect(fill(rooms, 'second', 100)).toHaveLength(20);
  expect(fill(rooms, 'third', 100).length).toBeGreaterThan(10);
});

test('with one producer nothing bounds it', () => {
  expect(roomsOf(1).of('only')).toBeNull();
});

test('what is given back is there again', () => {
  const rooms = roomsOf();
  const requests = fill(rooms, 'a', 100);
  for (const request of requests) {
    request.release();
    request.release();
  }
  expect(fill(rooms, 'a', 100)).toHaveLength(requests.length);
});

test('the only request of a producer gets what it asks for, however large, and grows', () => {
  const rooms = roomsOf();
  const request = requestOf(rooms, 'a');
  expect(request.hold(8_000)).toBe(true);
  expect(request.hold(16_000)).toBe(true);
  expect(requestOf(rooms, 'a').hold(1), 'a second one').toBe(false);
  expect(request.hold(10), 'less than it has').toBe(true);
  expect(requestOf(rooms, 'b').hold(5_000)).toBe(true);
  request.release();
  expect(requestOf(rooms, 'a').hold(1)).toBe(true);
});

test('what moves to another producer counts for that one, within its part', () => {
  const rooms = roomsOf();
  const requests = fill(rooms, 'unknown', 500);
  expect(requests).toHaveLength(6);
  const moved = requests.filter((request) => request.moveTo('a'));
  expect(moved).toHaveLength(6);
  expect(requestOf(rooms, 'unknown').hold(500), 'its room is free again').toBe(true);
  const [last] = fill(rooms, 'unknown', 500);
  expect(last?.moveTo('a'), 'it has its part').toBe(false);
  for (const request of moved) request.release();
  expect(last?.moveTo('a')).toBe(true);
});

test('whatever some producers do, room is left for one that has none', () => {
  const requests = fc.array(fc.record({ of: fc.nat(3), bytes: fc.integer({ min: 1, max: 500 }) }), { maxLength: 300 });
  fc.assert(
    fc.property(requests, (all) => {
      const rooms = roomsOf();
      let taken = 0;
      for (const { of, bytes } of all) if (requestOf(rooms, String(of)).hold(bytes)) taken += bytes;
      // Four that take all they can leave a third: 1 / (1 + 4 / 2).
      expect(MAX - taken).toBeGreaterThanOrEqual(MAX / 3 - 4 * 500);
    }),
  );
});
