import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { eventually } from './eventually.ts';
import { startProcess } from './process.ts';
import type { ManagedProcess } from './process.ts';

const runScript = (script: string): Promise<ManagedProcess> =>
  startProcess({ command: process.execPath, args: ['--input-type=module', '-e', script] });

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('a managed process', () => {
  test('has its output, its exit code and the environment of its options', async () => {
    const child = await startProcess({
      command: process.execPath,
      args: [
        '-e',
        'console.log("value", process.env.GIVEN, process.env.PATH); console.error("warned"); process.exitCode = 3',
      ],
      env: { GIVEN: 'given', PATH: undefined },
    });
    const [, value] = await child.waitFor(/value (.*)/);
    expect(value).toBe('given undefined');
    expect(await child.exited).toEqual({ code: 3, signal: null });
    expect(child.output()).toContain('warned');
  });

  test('waitFor finds earlier output, and fails with the output when the process exits or the timeout passes', async () => {
    const child = await runScript('console.log("first"); setTimeout(() => {}, 60_000)');
    await child.waitFor(/first/g);
    await child.waitFor(/first/g);
    await expect(child.waitFor(/second/, { timeoutMs: 50 })).rejects.toThrow(/nothing in 50 ms; output:\nfirst/);
    const waiting = expect(child.waitFor(/second/)).rejects.toThrow(/has ended/);
    expect(await child.kill()).toEqual({ code: null, signal: 'SIGKILL' });
    await waiting;
  });

  test('a command that does not exist is an error', async () => {
    await expect(startProcess({ command: '/no/such/command' })).rejects.toThrow('starting /no/such/command');
  });

  test('when the test process is killed, its processes, their children and its directories are removed', async () => {
    const library = fileURLToPath(new URL('./index.ts', import.meta.url));
    const parent = await runScript(`
      import { startProcess, temporaryDirectory } from ${JSON.stringify(library)};
      const directory = temporaryDirectory();
      const shell = await startProcess({ command: 'sh', args: ['-c', 'sleep 600 & echo child $!; wait'] });
      const [, child] = await shell.waitFor(/child (\\d+)/);
      console.log('started', JSON.stringify({ directory, pids: [shell.pid, Number(child)] }));
      setTimeout(() => {}, 600_000);
    `);
    const [, json = ''] = await parent.waitFor(/started (.*)/);
    const { directory, pids } = JSON.parse(json) as { directory: string; pids: number[] };
    expect(existsSync(directory)).toBe(true);
    expect(pids.map(isAlive)).toEqual([true, true]);
    await parent.kill('SIGKILL');
    await eventually(() => !pids.some(isAlive) && !existsSync(directory));
  });
});

describe('eventually', () => {
  test('resolves to the first result that is neither false nor an error', async () => {
    let calls = 0;
    const answer = await eventually(
      () => {
        calls += 1;
        if (calls === 1) throw new Error('not yet');
        return calls > 2 && calls;
      },
      { intervalMs: 1 },
    );
    expect(answer).toBe(3);
  });

  test('fails with the last failure of the check, also when a check hangs', async () => {
    const late = { timeoutMs: 30, intervalMs: 1 };
    await expect(eventually(() => expect(1).toBe(2), late)).rejects.toThrow('expected 1 to be 2');
    await expect(eventually(() => new Promise<never>(() => undefined), late)).rejects.toThrow('longer than 30 ms');
  });
});
