import { readFileSync } from 'node:fs';
import type { ManagedProcess } from '@sink/testing';

/** The most memory a process ever had; 0 when it is gone, and where it can not be seen (not Linux). */
export function rssPeakBytes({ pid }: ManagedProcess): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
