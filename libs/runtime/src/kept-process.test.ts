import { type ChildProcess, spawn } from 'node:child_process';
import { eventually } from '@sink/testing';
import { afterEach, expect, test, vi } from 'vitest';
import { systemClock } from './clock.ts';
import { KeptProcess } from './kept-process.ts';
import { createLogger } from './logger.ts';

const FATAL = 78;
const RUNS = 'echo up; exec sleep 60';
const IGNORES_SIGTERM = 'trap "" TERM; echo up; while :; do sleep 0.1; done';

const kept: KeptProcess[] = [];
afterEach(async () => {
  await Promise.all(kept.splice(0).map((process) => process.kill()));
});

/** A process that runs these scripts in turn, and then the last one again and again. Null: launching fails. */
function keep(...scripts: readonly (string | null)[]) {
  const children: ChildProcess[] = [];
  const restartsInMs: unknown[] = [];
  const onFatal = vi.fn<(code: number | null) => void>();
  const world = { children, restartsInMs, onFatal, nowMs: 0, launches: 0, up: 0 };
  const log = createLogger({ service: 'test', level: 'silent' });
  vi.spyOn(log, 'error').mockImplementation((fields: unknown) => {
    if (typeof fields === 'object' && fields !== null && 'restartInMs' in fields) restartsInMs.push(fields.restartInMs);
  });
  const process = new KeptProcess({
    name: 'kept',
    launch: () => {
      const script = scripts[Math.min(world.launches++, scripts.length - 1)] ?? null;
      if (script === null) throw new Error('launching nothing');
      const [program = '', ...args] = script.startsWith('/') ? [script] : ['sh', '-c', script];
      const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] });
      child.stdout.once('data', () => world.up++);
      children.push(child);
      return child;
    },
    isFatal: (code) => code === FATAL,
    onFatal,
    clock: { ...systemClock, monotonicMs: () => world.nowMs },
    log,
    random: () => 1,
  });
  kept.push(process);
  process.start();
  return Object.assign(world, { process });
}

test('a process that exits is restarted, after a longer wait each time', async () => {
  const world = keep('exit 3', 'kill -KILL $$', RUNS);
  await eventually(() => expect(world.up).toBe(1));
  expect(world.restartsInMs).toEqual([250, 500]);
  expect(world.process.pid).toBe(world.children[2]?.pid);
  expect(world.onFatal).not.toHaveBeenCalled();
});

test('the delays begin anew after a process that ran for 30 s', async () => {
  const world = keep('exit 3', RUNS);
  await eventually(() => expect(world.up).toBe(1));
  world.nowMs += 30_000;
  world.children[1]?.kill('SIGKILL');
  await eventually(() => expect(world.up).toBe(2));
  expect(world.restartsInMs).toEqual([250, 250]);
});

test('a process that cannot be launched, or never starts, counts as exited', async () => {
  const world = keep(null, '/nowhere/program', RUNS);
  await eventually(() => expect(world.up).toBe(1));
  expect(world.restartsInMs).toEqual([250, 500]);
});

test('an exit that a restart cannot help is reported, and the process is not restarted', async () => {
  const world = keep(`exit ${FATAL}`);
  await eventually(() => expect(world.onFatal).toHaveBeenCalledExactlyOnceWith(FATAL));
  expect(world.process.pid).toBeNull();
  expect(world.restartsInMs).toEqual([]);
});

test('stopping sends SIGTERM, and the process is not restarted', async () => {
  const world = keep(RUNS);
  await eventually(() => expect(world.up).toBe(1));
  expect(await world.process.stop(10_000)).toBe(true);
  expect(world.children.map(({ signalCode }) => signalCode)).toEqual(['SIGTERM']);
  expect(world.restartsInMs).toEqual([]);
  world.process.start();
  expect(world.launches).toBe(1);
});

test('stopping kills a process that does not exit within its grace, and logs it', async () => {
  const world = keep(IGNORES_SIGTERM);
  await eventually(() => expect(world.up).toBe(1));
  expect(await world.process.stop(50)).toBe(false);
  expect(world.children.map(({ signalCode }) => signalCode)).toEqual(['SIGKILL']);
});

test('stopping while the next start is waited for leaves nothing that starts', async () => {
  const world = keep('exit 3', RUNS);
  await eventually(() => expect(world.restartsInMs).toEqual([250]));
  expect(await world.process.stop(10_000)).toBe(true);
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(world.launches).toBe(1);
});
