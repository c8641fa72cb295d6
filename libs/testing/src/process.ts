import { spawn } from 'node:child_process';
import { reaper } from './reaper.ts';

/** The last million characters of a process' output are kept. */
const OUTPUT_CHARACTERS_MAX = 1_000_000;

export interface ProcessOptions {
  readonly command: string;
  readonly args?: readonly string[];
  /** Added to the environment of this process; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
}

export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ManagedProcess {
  readonly pid: number;
  /** Standard output and standard error in the order of arrival, the last million characters. */
  output(): string;
  /**
   * Waits until the output since the start of the process matches. Rejects with the end of the output when the process
   * exits or `timeoutMs` (default 10,000) pass before.
   */
  waitFor(pattern: RegExp, options?: { readonly timeoutMs?: number }): Promise<RegExpExecArray>;
  /** Sends a signal and does not wait. Does nothing when the process is gone. For SIGSTOP, SIGCONT and the like. */
  signal(signal: NodeJS.Signals): void;
  /** Sends a signal (default SIGKILL) to this process, not to its children, and waits until it exits. */
  kill(signal?: NodeJS.Signals): Promise<ProcessExit>;
  /** Resolves when the process has exited and its output is complete. Never rejects. */
  readonly exited: Promise<ProcessExit>;
}

/**
 * Starts a process in a process group of its own. The whole group is killed when the test process ends, however it
 * ends. Rejects when the command cannot be started.
 */
export async function startProcess(options: ProcessOptions): Promise<ManagedProcess> {
  const { command, args = [], env = {}, cwd } = options;
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const pid = child.pid;
  if (pid !== undefined) reaper().killAtEnd(pid);

  let output = '';
  let running = true;
  const observers = new Set<() => void>();
  const notify = (): void => {
    for (const observer of [...observers]) observer();
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      output = (output + text).slice(-OUTPUT_CHARACTERS_MAX);
      notify();
    });
  }

  const exited = new Promise<ProcessExit>((resolve) => {
    let exit: ProcessExit = { code: null, signal: null };
    const settle = (): void => {
      if (!running) return;
      running = false;
      if (pid !== undefined && !groupExists(pid)) reaper().forget(pid);
      notify();
      resolve(exit);
    };
    child.once('exit', (code, signal) => {
      exit = { code, signal };
      // A grandchild may have inherited the pipes and keep them open: its output is not awaited.
      setTimeout(settle, 200).unref();
    });
    child.once('close', settle);
  });

  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.on('error', (cause) => reject(new Error(`starting ${command}: ${cause.message}`, { cause })));
  });
  if (pid === undefined) throw new Error(`starting ${command}: no pid`);

  const signal = (name: NodeJS.Signals): void => {
    child.kill(name);
  };
  return {
    pid,
    output: () => output,
    waitFor: (pattern, { timeoutMs = 10_000 } = {}) =>
      new Promise((resolve, reject) => {
        // Without `g` and `y`, which keep the position of the last match.
        const searched = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''));
        const fail = (what: string): void => {
          finish();
          reject(
            new Error(`waiting for ${String(pattern)} from ${command}: ${what}; output:\n${output.slice(-4_000)}`),
          );
        };
        const look = (): void => {
          const match = searched.exec(output);
          if (match) {
            finish();
            resolve(match);
          } else if (!running) {
            fail('the process has ended');
          }
        };
        const timer = setTimeout(() => fail(`nothing in ${timeoutMs} ms`), timeoutMs);
        const finish = (): void => {
          clearTimeout(timer);
          observers.delete(look);
        };
        observers.add(look);
        look();
      }),
    signal,
    kill: (name = 'SIGKILL') => {
      signal(name);
      return exited;
    },
    exited,
  };
}

function groupExists(groupPid: number): boolean {
  try {
    process.kill(-groupPid, 0);
    return true;
  } catch {
    return false;
  }
}
