import { spawn } from 'node:child_process';
import type { Writable } from 'node:stream';

/**
 * Ends the sink's own Redis when everybody who needs it is gone, however they went.
 *
 * A small shell waits on a pipe; the other end is held by the sink and, handed down, by each service. When the last of
 * them is gone (the sink by SIGKILL, the services after they drained), the pipe ends and the shell sends Redis a
 * SIGTERM. In a session of its own, so that Ctrl-C does not end it first.
 */
export interface Lifeline {
  /** To be handed down to the services. */
  readonly end: Writable;
  /** Redis was stopped in order and nothing is left to do: ends the shell. */
  release(): Promise<void>;
}

const WAIT_AND_STOP = 'read -r _; kill -TERM "$(cat "$0")"';

/** `pidFile`: where the Redis of this run writes its process id. */
export function tieToUs(pidFile: string): Lifeline {
  const shell = spawn('/bin/sh', ['-c', WAIT_AND_STOP, pidFile], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  const gone = new Promise<void>((resolve) => {
    shell.once('exit', () => resolve());
    // Without a shell only the comfort is gone: the next start finds an orphaned Redis by its pid file.
    shell.on('error', () => resolve());
  });
  shell.stdin.on('error', () => {
    // The shell was killed.
  });
  return {
    end: shell.stdin,
    release: async () => {
      shell.kill('SIGKILL');
      await gone;
    },
  };
}
