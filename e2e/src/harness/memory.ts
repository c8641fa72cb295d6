import { readFileSync } from 'node:fs';
import type { ManagedProcess } from '@sink/testing';

/**
 * The highest memory that a process, or one of its workers, ever had. 0 when the process is gone, and on other systems
 * than Linux.
 */
export function rssPeakBytes({ pid }: ManagedProcess): number {
  const workers = read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
  return Math.max(...[pid, ...workers].map(peakOf));
}

function peakOf(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) * 1024;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
