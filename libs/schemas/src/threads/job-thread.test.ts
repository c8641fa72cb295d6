import type { ResourceLimits } from 'node:worker_threads';
import { expect, it, onTestFinished } from 'vitest';
import { JobThread, type JobThreadSettings } from './job-thread.ts';

/** Answers a job by what it is given. For a negative number it waits so long, without using a processor. */
const ECHO = `
  import { parentPort } from 'node:worker_threads';
  parentPort.on('message', (answer) => {
    if (answer < 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, -answer);
    parentPort.postMessage({ answer, cpuMs: 0 });
  });
  parentPort.postMessage({ answer: null, cpuMs: 0 });
`;

function start(settings: Partial<JobThreadSettings> = {}, code = ECHO): JobThread<unknown> {
  const thread = new JobThread<unknown>({
    file: new URL(`data:text/javascript,${encodeURIComponent(code)}`),
    limits: {},
    deadlineMs: 2_000,
    waitingMax: 100,
    waitingBytesMax: 1_000,
    idleMs: 10_000,
    ...settings,
  });
  onTestFinished(() => thread.close());
  return thread;
}

it('a machine that has no thread to give makes jobs late, and nothing else', async () => {
  const limits: ResourceLimits = {};
  let attempts = 0;
  Object.defineProperty(limits, 'stackSizeMb', {
    enumerable: true,
    get: () => {
      attempts += 1;
      if (attempts === 1) throw new Error('no thread');
      return 4;
    },
  });
  const thread = start({ limits });
  expect(await thread.run(() => 1)).toEqual({ kind: 'late' });
  expect(await thread.run(() => 2)).toEqual({ kind: 'done', answer: 2 });
  expect(attempts).toBeGreaterThan(1);
});

it('a job that cannot be sent is late, and the next one has its turn', async () => {
  const thread = start();
  const outcomes = await Promise.all([thread.run(() => () => undefined), thread.run(() => 2)]);
  expect(outcomes).toEqual([{ kind: 'late' }, { kind: 'done', answer: 2 }]);
});

it('a job that nobody waits for any more is dropped at its turn', async () => {
  const thread = start();
  let made = 0;
  const outcomes = await Promise.all([
    thread.run(() => -300),
    thread.run(() => (made += 1), { untilMs: performance.now() + 50 }),
    thread.run(() => 2, { untilMs: performance.now() + 60_000 }),
  ]);
  expect(outcomes).toEqual([{ kind: 'done', answer: -300 }, { kind: 'late' }, { kind: 'done', answer: 2 }]);
  expect(made).toBe(0);
});

it('jobs wait within a bound of bytes', async () => {
  const thread = start();
  const kinds = [0, 2_000, 1, 600, 600, 400].map((bytes) => thread.run(() => 1, { bytes }).then(({ kind }) => kind));
  // The first one has its turn at once, the second one waits alone.
  expect(await Promise.all(kinds)).toEqual(['done', 'done', 'late', 'late', 'late', 'late']);
  const later = [0, 600, 600, 400].map((bytes) => thread.run(() => 1, { bytes }).then(({ kind }) => kind));
  expect(await Promise.all(later)).toEqual(['done', 'done', 'late', 'done']);
});

it('a job that had no processor is late, one that used up its time is an overrun', async () => {
  const thread = start({ deadlineMs: 100 });
  expect(await thread.run(() => -60_000)).toEqual({ kind: 'late' });
  expect(await thread.run(() => 1)).toEqual({ kind: 'done', answer: 1 });
  const busy = start({ deadlineMs: 100 }, ECHO.replace('if (answer < 0)', 'for (;;);'));
  expect(await busy.run(() => 1)).toEqual({ kind: 'overrun' });
});
