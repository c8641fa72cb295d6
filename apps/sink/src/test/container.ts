import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type ManagedProcess, startProcess } from '@sink/testing';

/** PID and UTS namespaces of its own, as a container has: that needs Linux and root. */
const UNSHARE = ['--pid', '--uts', '--fork', '--kill-child', '--mount-proc'];
const WITH_HOST_NAME = 'echo "$0" >/proc/sys/kernel/hostname && exec "$@"';

export const canMakeContainers =
  process.platform === 'linux' &&
  spawnSync('unshare', [...UNSHARE, 'sh', '-c', WITH_HOST_NAME, 'name', 'true']).status === 0;

/** A process with its children, in namespaces of its own or, for comparison, in those of the test. */
export interface Container {
  readonly process: ManagedProcess;
  /** Sends a signal to its first process. SIGKILL kills all of them, as the end of a container does. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Stops (SIGSTOP) or continues all its processes. */
  signalAll(signal: 'SIGSTOP' | 'SIGCONT'): void;
}

export async function startContainer(
  hostName: string,
  command: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<Container> {
  const args = [...UNSHARE, 'sh', '-c', WITH_HOST_NAME, hostName, ...command];
  const outer = await startProcess({ command: 'unshare', args, env });
  const first = (): number => {
    const children = readFileSync(`/proc/${String(outer.pid)}/task/${String(outer.pid)}/children`, 'utf8');
    return Number(children.trim().split(' ')[0]);
  };
  return {
    process: outer,
    kill: async (signal) => {
      process.kill(first(), signal);
      await outer.exited;
    },
    signalAll: (signal) => {
      const namespace = namespaceOf(first());
      for (const pid of readdirSync('/proc').map(Number)) {
        if (pid > 1 && namespaceOf(pid) === namespace) process.kill(pid, signal);
      }
    },
  };
}

/** Null when there is no such process. */
function namespaceOf(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${String(pid)}/ns/pid`);
  } catch {
    return null;
  }
}
