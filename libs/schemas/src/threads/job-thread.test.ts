import type { ResourceLimits } from 'node:worker_threads';
import { expect, it, onTestFinished } from 'vitest';
import { JobThread, type JobThreadSettings } from './job-thread.ts';

/** A thread that answers a job by what it is given. */
const ECHO = `
  import { parentPort } from 'node:worker_threads';
  parentPort.on('message', (answer) => parentPort.postMessage({ answer, cpuMs: 0 }));
  parentPort.postMessage({ answer: null, cpuMs: 0 });
`;

function start(settings: Partial<JobThreadSettings> = {}, code = ECHO): JobThread<unknown> {
  const thread = new JobThread<unknown>({
    file: new URL(`data:text/javascript,${encodeURIComponent(code)}`),
    limits: {},
    deadlineMs: 2_000,
    waitingMax: 100,
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
