import { spawn } from 'node:child_process';
import { reaper } from './reaper.ts';

/** What is kept of a process' output: the last million characters. */
const OUTPUT_CHARACTERS_MAX = 1_000_000;

export interface ProcessOptions {
  readonly command: string;
  readonly args?: readonly string[];
  /** Added to our own environment; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
}

export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ManagedProcess {
  readonly pid: number;
  /** Standard output and standard error as they came, the last million characters. */
  output(): string;
  /**
   * Waits until the output, from the start of the process on, matches. Rejects, with the end of the output, when the
   * process ends or `timeoutMs` (default 10,000) pass before.
   */
  waitFor(pattern: RegExp, options?: { readonly timeoutMs?: number }): Promise<RegExpExecArray>;
  /** Sends a signal and goes on; nothing happens when the process is gone. For SIGSTOP, SIGCONT and the like. */
  signal(signal: NodeJS.Signals): void;
  /** Sends a signal (default SIGKILL) to this process only, not to its children, and waits until it has ended. */
  kill(signal?: NodeJS.Signals): Promise<ProcessExit>;
  /** Settles, and never rejects, when the process has ended and its output is complete. */
  readonly exited: Promise<ProcessExit>;
}

/**
 * Starts a process in a process group of its own. The whole group is killed when the test process ends, in whatever
 * way it ends. Rejects when the command cannot be started.
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
      // A grandchild may have inherited the pipes and keep them open: what it writes is not waited for.
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
        // Without `g` and `y`: these remember where they stopped.
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
