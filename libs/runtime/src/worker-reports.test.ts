import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { eventually } from '@sink/testing';
import { Counter, Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WorkerReports } from './worker-reports.ts';

const SILENCE = 'no answer within 750 ms';

let reports: WorkerReports;
let children: ChildProcess[];
beforeEach(() => {
  reports = new WorkerReports();
  children = [];
});
afterEach(async () => {
  await Promise.all(children.map(kill));
});

/** See test/fixture-worker.ts for the behaviours. */
function add(name: string, behaviour: string, program = process.execPath): ChildProcess {
  const child = spawn(program, [join(import.meta.dirname, 'test', 'fixture-worker.ts'), behaviour], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    serialization: 'advanced',
  });
  children.push(child);
  reports.add(name, child);
  return child;
}

async function addReady(name: string, behaviour = 'ready'): Promise<ChildProcess> {
  const before = reports.count;
  const child = add(name, behaviour);
  await eventually(() => expect(reports.count).toBe(before + 1));
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

const done = async (own = new Registry()): Promise<number> =>
  Number(/^done_total (\d+)$/m.exec(await reports.metrics(own))?.[1]);

describe('the problems of workers', () => {
  test('of a service without any: none', async () => {
    expect(await reports.problems()).toEqual({});
  });

  test('leave one out that has not answered yet, as one that is starting, while another takes work', async () => {
    await addReady('worker 1');
    add('worker 2', 'silent');
    add('worker 3', 'starting');
    expect(await reports.problems()).toEqual({});
  });

  test('say of one that has not answered yet, where there is no other, that it is starting', async () => {
    add('worker 1', 'silent');
    expect(await reports.problems()).toEqual({ 'worker 1 starting': SILENCE });
  });

  test('name one that took work and is silent now', async () => {
    const child = await addReady('worker 1');
    await addReady('worker 2');
    child.kill('SIGSTOP');
    expect(await reports.problems()).toEqual({ 'worker 1': SILENCE });
  });

  test('name a worker that has been silent since it reported its start', async () => {
    add('worker 1', 'silent from its start on');
    add('worker 2', 'starting');
    expect(reports.count).toBe(0);
    await eventually(() => expect(reports.count).toBe(1));
    expect(await reports.problems()).toEqual({ 'worker 1': SILENCE });
  });

  test('leave out a worker that exits while it is asked, and do not wait for it', async () => {
    const child = await addReady('worker 1');
    child.send('die when asked');
    expect(await reports.problems()).toEqual({ workers: 'no worker runs' });
    expect(reports.count).toBe(0);
  });

  test('do not include the answer of a worker that exited while others were still asked', async () => {
    const child = await addReady('worker 1');
    add('worker 2', 'silent');
    const problems = reports.problems();
    await kill(child);
    expect(await problems).toEqual({ 'worker 2 starting': SILENCE });
  });

  test('leave one out that could not be started at all', async () => {
    await addReady('worker 1');
    add('worker 2', '', '/nowhere/node');
    expect(await reports.problems()).toEqual({});
    expect(reports.count).toBe(1);
  });
});

describe('the metrics of workers', () => {
  test('are summed up with their own parent, and keep what one had counted that is gone', async () => {
    const own = new Registry();
    new Counter({ name: 'done_total', help: 'Done.', registers: [own] }).inc(1);
    const child = await addReady('worker 1');
    await addReady('worker 2');
    expect(await done(own)).toBe(11);
    await kill(child);
    expect(await done(own)).toBe(11);
    await addReady('worker 1');
    expect(await done(own)).toBe(16);
  });

  test('are those of the others where one cannot collect its own, which does not end it', async () => {
    await addReady('worker 1', 'cannot collect');
    await addReady('worker 2');
    expect(await done()).toBe(5);
    expect(await reports.problems()).toEqual({});
    expect(reports.count).toBe(2);
  });
});
