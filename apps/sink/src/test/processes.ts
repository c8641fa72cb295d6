import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

export interface RunningProcess {
  readonly pid: number;
  /** Its arguments and, if it belongs to this user, its environment. */
  readonly text: string;
}

/** The processes of this machine. Linux has them in /proc, because slim images have no ps. */
export function runningProcesses(): readonly RunningProcess[] {
  if (process.platform !== 'linux') {
    const output = execFileSync('ps', ['axeww', '-o', 'pid=,command='], { encoding: 'utf8' });
    return output.split('\n').map((line) => ({ pid: Number.parseInt(line, 10), text: line }));
  }
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 1)
    .map((pid) => ({ pid, text: `${read(pid, 'cmdline')} ${read(pid, 'environ')}`.replaceAll('\0', ' ') }));
}

function read(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${String(pid)}/${name}`, 'utf8');
  } catch {
    return '';
  }
}
