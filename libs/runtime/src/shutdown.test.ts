import { expect, test } from 'vitest';
import type { Clock } from './clock.ts';
import { createLogger } from './logger.ts';
import { Shutdown } from './shutdown.ts';

/** Time does not advance; every sleep ends at once unless it is aborted first. */
class InstantClock implements Clock {
  #nowMs = 0;
  wallMs(): number {
    return this.#nowMs;
  }
  monotonicMs(): number {
    return this.#nowMs;
  }
  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (signal?.aborted !== true) this.#nowMs += ms;
  }
}

function setup() {
  const lines: string[] = [];
  const log = createLogger({ service: 'test', level: 'info', destination: { write: (line) => lines.push(line) } });
  return { lines, shutdown: new Shutdown({ deadlineMs: 1000, clock: new InstantClock(), log }) };
}

test('what was added last is released first, each after the one before has finished', async () => {
  const { shutdown } = setup();
  const order: string[] = [];
  for (const name of ['redis', 'batcher', 'listener']) {
    shutdown.add(name, async () => {
      order.push(`${name} begins`);
      await Promise.resolve();
      order.push(`${name} ends`);
    });
  }
  await shutdown.run();
  expect(order).toEqual(['listener', 'batcher', 'redis'].flatMap((name) => [`${name} begins`, `${name} ends`]));
  expect(shutdown.clean).toBe(true);
});

test('running it again, also while it runs, releases nothing twice', async () => {
  const { shutdown } = setup();
  let released = 0;
  shutdown.add('once', async () => {
    released += 1;
    await Promise.resolve();
  });
  await Promise.all([shutdown.run(), shutdown.run()]);
  await shutdown.run();
  expect(released).toBe(1);
});

test('a releaser that fails, even synchronously, is logged and the rest still runs', async () => {
  const { shutdown, lines } = setup();
  const released: string[] = [];
  shutdown.add('first', async () => {
    released.push('first');
  });
  shutdown.add('broken', async () => {
    throw new Error('no way');
  });
  shutdown.add('worse', () => {
    throw new Error('not even a promise');
  });
  await shutdown.run();
  expect(released).toEqual(['first']);
  expect(shutdown.clean).toBe(false);
  expect(lines.map((line) => (JSON.parse(line) as { part: string }).part)).toEqual(['worse', 'broken']);
});

test('a releaser that hangs uses up the deadline, and the rest still gets its turn', async () => {
  const { shutdown, lines } = setup();
  const released: string[] = [];
  shutdown.add('bottom', async () => {
    released.push('bottom');
  });
  shutdown.add('hangs', () => new Promise(() => undefined));
  await shutdown.run();
  expect(released).toEqual(['bottom']);
  expect(shutdown.clean).toBe(false);
  expect(lines.join('')).toContain('hangs');
});

test('a releaser added while stopping is run as well', async () => {
  const { shutdown } = setup();
  const released: string[] = [];
  shutdown.add('parent', async () => {
    shutdown.add('late', async () => {
      released.push('late');
    });
    released.push('parent');
  });
  await shutdown.run();
  expect(released).toEqual(['parent', 'late']);
});

test('a releaser learns how long the stop may still take', async () => {
  const { shutdown } = setup();
  const left: number[] = [];
  expect(shutdown.leftMs).toBe(Number.POSITIVE_INFINITY);
  shutdown.add('late', async () => void left.push(shutdown.leftMs));
  shutdown.add('slow', () => new Promise(() => undefined));
  shutdown.add('early', async () => void left.push(shutdown.leftMs));
  await shutdown.run();
  expect(left).toEqual([1_000, 250]);
});
