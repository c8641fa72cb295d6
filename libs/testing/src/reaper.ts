import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Writable } from 'node:stream';

/**
 * Cleans up after a test process, however the process ends: by itself, by Ctrl-C, or by SIGKILL.
 *
 * A second process (`reaper-main.ts`) does the work. It reads from a pipe whose other end only the test process holds.
 * When the test process is gone the pipe ends, and the second process kills the process groups and removes the
 * directories that it has read from the pipe. An exit handler of the test process could not promise that.
 */
export interface Reaper {
  /** Kills this process group (the pid of its leader) when this process ends. */
  killAtEnd(groupPid: number): void;
  /** The group is empty: its number may soon belong to another group. */
  forget(groupPid: number): void;
  /** Removes this directory when this process ends. */
  removeAtEnd(directory: string): void;
}

let started: Reaper | undefined;

/** The reaper of this process. The first call starts it. */
export function reaper(): Reaper {
  started ??= startReaper();
  return started;
}

function startReaper(): Reaper {
  // In a session of its own: Ctrl-C in a terminal signals the whole foreground group, and the reaper must survive it.
  const child = spawn(process.execPath, [fileURLToPath(new URL('./reaper-main.ts', import.meta.url))], {
    stdio: ['pipe', 'ignore', 'inherit'],
    detached: true,
  });
  child.unref();
  const pipe: Writable & { unref?: () => void } = child.stdin;
  pipe.unref?.();
  const tell = (command: string, argument: string): void => {
    pipe.write(`${command} ${argument}\n`);
  };
  return {
    killAtEnd: (groupPid) => tell('kill', String(groupPid)),
    forget: (groupPid) => tell('forget', String(groupPid)),
    removeAtEnd: (directory) => tell('remove', JSON.stringify(directory)),
  };
}
