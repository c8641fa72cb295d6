import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Writable } from 'node:stream';

/**
 * Cleans up behind a test process, however that process ends: by itself, by Ctrl-C, or by SIGKILL.
 *
 * The work is done by a second process (`reaper-main.ts`) that reads from a pipe whose other end only we hold. When we
 * are gone the pipe ends, and it kills the process groups and removes the directories it was told about. An exit
 * handler in this process could not promise that.
 */
export interface Reaper {
  /** Kill this process group (its leader's pid) when this process ends. */
  killAtEnd(groupPid: number): void;
  /** The group is known to be empty: its number may belong to somebody else soon. */
  forget(groupPid: number): void;
  /** Remove this directory when this process ends. */
  removeAtEnd(directory: string): void;
}

let started: Reaper | undefined;

/** The reaper of this process; the first call starts it. */
export function reaper(): Reaper {
  started ??= startReaper();
  return started;
}

function startReaper(): Reaper {
  // A session of its own: Ctrl-C in a terminal goes to the whole foreground group, and the reaper has to survive it.
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
