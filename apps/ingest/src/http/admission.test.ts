import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Admission } from './admission.ts';
import type { Arrival } from './arrival.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

interface Body extends Arrival {
  /** Asks for room: takes it, or waits for it. */
  enter(bytes: number, costBytes?: number): (() => void) | 'in' | 'full';
  grow(bytes: number, costBytes?: number, heldMs?: number): (() => void) | 'grown' | 'full';
  leave(): void;
}

function setup(maxInFlightBytes = 100) {
  const admission = new Admission({ maxInFlightBytes, holdMaxMs: 4000 }, () => performance.now());
  const log: string[] = [];
  const body = (name: string, sizeBytes = 0): Body => {
    const say = (what: string) => () => void log.push(`${name} ${what}`);
    const self: Body = {
      heldBytes: 0,
      sizeBytes,
      progressTick: 0,
      freshBytes: 0,
      evict: () => {
        say('evicted')();
        self.leave();
      },
      enter: (bytes, costBytes = 1) => {
        if (admission.tryEnter(self, bytes)) return 'in';
        return admission.waitToEnter(self, { bytes, costBytes }, say('in'), say('refused')) ?? 'full';
      },
      grow: (bytes, costBytes = 1, heldMs = 0) => {
        if (admission.tryGrow(self, bytes)) return 'grown';
        return admission.waitToGrow(self, { bytes, costBytes, heldMs }, say('grown'), say('refused')) ?? 'full';
      },
      leave: () => {
        admission.stopReading(self);
        admission.give(self);
      },
    };
    return self;
  };
  return { admission, log, body };
}

describe('new requests', () => {
  test('take room up to the limit and no further', () => {
    const { admission, body } = setup();
    expect(body('a').enter(60)).toBe('in');
    expect(admission.tryEnter(body('b'), 41)).toBe(false);
    expect(body('c').enter(40)).toBe('in');
    expect(admission.usedBytes).toBe(100);
  });

  test('are let in by the order of arrival, and none overtakes another', () => {
    const { admission, log, body } = setup();
    const first = body('first');
    const second = body('second');
    first.enter(50);
    second.enter(50);
    body('large').enter(80);
    body('small').enter(10);
    expect(admission.tryEnter(body('none'), 0)).toBe(false);
    first.leave();
    expect(log).toEqual([]);
    second.leave();
    expect(log).toEqual(['large in', 'small in']);
    expect(admission.usedBytes).toBe(90);
    expect(admission.waitingRequests).toBe(0);
  });

  test('without room within the hold are refused, and the next one gets its turn', async () => {
    const { admission, log, body } = setup();
    body('there').enter(90);
    body('large').enter(80);
    await vi.advanceTimersByTimeAsync(1000);
    body('small').enter(10);
    await vi.advanceTimersByTimeAsync(2999);
    expect(log).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(log).toEqual(['small in', 'large refused']);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(log).toHaveLength(2);
    expect(admission.usedBytes).toBe(100);
  });

  test('larger than the limit are let in when they are alone', () => {
    const { admission, log, body } = setup();
    const one = body('one');
    const huge = body('huge');
    one.enter(1);
    huge.enter(500);
    one.leave();
    expect(log).toEqual(['huge in']);
    expect(admission.tryEnter(body('other'), 1)).toBe(false);
    huge.leave();
    expect(admission.usedBytes).toBe(0);
  });

  test('that wait use bounded memory', () => {
    const { body } = setup();
    body('there').enter(100);
    expect(body('first').enter(10, 5000)).toBeTypeOf('function');
    expect(body('second').enter(10, 1)).toBe('full');
  });

  test('that stop waiting are not called, and the next one gets its turn', () => {
    const { admission, log, body } = setup();
    body('there').enter(60);
    const stop = body('large').enter(80);
    body('small').enter(40);
    if (typeof stop !== 'function') throw new Error('it waits');
    stop();
    stop();
    expect(log).toEqual(['small in']);
    vi.advanceTimersByTime(100);
    expect(vi.getTimerCount()).toBe(0);
    expect(admission.usedBytes).toBe(100);
  });
});

describe('bodies that grow', () => {
  test('come before new requests', () => {
    const { log, body } = setup();
    const [first, second, third] = [body('first'), body('second'), body('third')];
    for (const one of [first, second, third]) one.enter(33);
    body('new').enter(10);
    expect(second.grow(60)).toBeTypeOf('function');
    expect(log, 'one body may always grow').toEqual(['second grown']);
    third.grow(30);
    first.leave();
    expect(log).toEqual(['second grown', 'third grown']);
    second.leave();
    expect(log).toEqual(['second grown', 'third grown', 'new in']);
  });

  test('leave room to smaller ones: those that were declared large get half of it', () => {
    const { admission, body } = setup(16 * MIB);
    const large = body('large', 16 * MIB);
    large.enter(8 * MIB);
    expect(admission.tryGrow(large, 1)).toBe(false);
    const middle = body('middle', MIB);
    expect(admission.tryEnter(middle, 0)).toBe(true);
    expect(admission.tryGrow(middle, 4 * MIB)).toBe(false);
    expect(admission.tryGrow(middle, MIB)).toBe(true);
    for (let small = 0; small < 7 * 16; small++) expect(body('small').enter(64 * KIB)).toBe('in');
    expect(admission.usedBytes).toBe(16 * MIB);
  });

  test('have one hold for all their waits', async () => {
    const { log, body } = setup();
    const [first, second] = [body('first'), body('second')];
    first.enter(50);
    second.enter(50);
    first.grow(10);
    expect(log).toEqual(['first grown']);
    second.grow(10, 1, 3500);
    await vi.advanceTimersByTimeAsync(499);
    expect(log).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(log).toEqual(['first grown', 'second refused']);
  });

  test('cannot block each other: one is privileged until it is complete, then the next', () => {
    const { admission, log, body } = setup(100);
    const bodies = ['a', 'b', 'c', 'd'].map((name) => body(name));
    for (const one of bodies) one.enter(25);
    for (const one of bodies) one.grow(50);
    expect(log).toEqual(['a grown']);
    expect(bodies[0]?.grow(25)).toBe('grown');
    expect(admission.usedBytes).toBe(175);
    admission.completed(bodies[0] ?? body('none'));
    expect(log, 'not while complete ones are above the limit').toHaveLength(1);
    for (const one of bodies) {
      one.leave();
      expect(admission.usedBytes).toBeLessThanOrEqual(200);
    }
    expect(log).toEqual(['a grown', 'b grown', 'c grown', 'd grown']);
    expect(admission.usedBytes).toBe(0);
  });

  test('that wait use bounded memory: the largest are refused first, and a larger one never pushes out a smaller', () => {
    const { log, body } = setup(4 * MIB);
    body('there').enter(2 * MIB);
    const [privileged, large, last] = [body('privileged', 3 * MIB), body('large', 3 * MIB), body('last', 3 * MIB)];
    privileged.grow(3 * MIB);
    large.grow(2 * MIB, 2 * MIB);
    last.grow(2 * MIB, 2 * MIB);
    expect(body('larger').grow(3 * MIB, 1)).toBe('full');
    body('more').enter(2 * MIB);
    expect(log.splice(0)).toEqual(['privileged grown']);
    body('new').enter(10, MIB);
    expect(log).toEqual(['last refused']);
  });
});

describe('slow bodies', () => {
  /** A body that holds `heldBytes`, and gets so many bytes every 100 ms. */
  function read({ admission, body }: ReturnType<typeof setup>, name: string, heldBytes: number, bytes: number): Body {
    const one = body(name);
    admission.tryEnter(one, heldBytes);
    admission.startReading(one);
    setInterval(() => admission.progress(one, bytes), 100);
    return one;
  }

  test('are refused while others wait for their room, the longest silent first, and only as many as it takes', async () => {
    const world = setup(40);
    const { log, body } = world;
    read(world, 'silent', 10, 0);
    await vi.advanceTimersByTimeAsync(60);
    read(world, 'drips', 10, 1);
    read(world, 'fast', 10, 100 * KIB);
    read(world, 'drips too', 10, 1);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(log).toEqual([]);
    body('first').enter(10);
    expect(log.splice(0)).toEqual(['silent evicted', 'first in']);
    body('second').enter(15);
    expect(log).toEqual(['drips evicted', 'drips too evicted', 'second in']);
  });

  test('get a moment, and none that waits for room itself is called slow', async () => {
    const world = setup(40);
    const { admission, log, body } = world;
    const paused = body('paused');
    paused.enter(10);
    read(world, 'fresh', 30, 0);
    paused.grow(10);
    log.splice(0);
    body('new').enter(30);
    await vi.advanceTimersByTimeAsync(100);
    expect(log).toEqual([]);
    await vi.advanceTimersByTimeAsync(150);
    expect(log).toEqual(['fresh evicted', 'new in']);
    expect(admission.waitingRequests).toBe(0);
  });

  test('lose the privilege, also when they come a little faster than silent ones', async () => {
    const world = setup(40);
    const { log, body } = world;
    const slow = read(world, 'slow', 20, 10 * KIB);
    const other = body('other');
    other.enter(20);
    slow.grow(10);
    other.grow(10);
    expect(log).toEqual(['slow grown']);
    await vi.advanceTimersByTimeAsync(900);
    expect(log).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(200);
    expect(log).toEqual(['slow grown', 'slow evicted', 'other grown']);
  });
});
