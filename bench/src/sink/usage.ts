import { readFileSync } from 'node:fs';

/** Linux reports CPU time in hundredths of a second on every architecture that Node supports. */
const TICKS_PER_SECOND = 100;

/** The usage of a process since its start. */
export interface Usage {
  /** User and system time, including that of ended children (the process that rewrites Redis' append-only file). */
  readonly cpuSeconds: number;
  /** The highest physical memory since its start. The kernel records it, so that no sample can miss it. */
  readonly rssPeakBytes: number;
  readonly rssBytes: number;
}

/** Reads /proc of a running process; Linux only. @throws when the process is gone */
export function usageOf(pid: number): Usage {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return {
    cpuSeconds: cpuSecondsIn(readFileSync(`/proc/${pid}/stat`, 'utf8')),
    rssPeakBytes: bytesIn(status, 'VmHWM'),
    rssBytes: bytesIn(status, 'VmRSS'),
  };
}

/** The usage of several processes together. */
export function sumOf(usages: readonly Usage[]): Usage {
  const sum = (figure: keyof Usage): number => usages.reduce((total, usage) => total + usage[figure], 0);
  return { cpuSeconds: sum('cpuSeconds'), rssPeakBytes: sum('rssPeakBytes'), rssBytes: sum('rssBytes') };
}

/** utime, stime, cutime and cstime: fields 14 to 17 of proc(5). Field 2 is the name, which may contain anything. */
export function cpuSecondsIn(stat: string): number {
  const fromState = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fromState.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_PER_SECOND;
}

function bytesIn(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024;
}
