import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Short, so that a process that has used its share waits only milliseconds. With 20 ms the least quota (1 ms) is 0.05
 * core.
 */
const PERIOD_MICROS = 20_000;
const V1 = '/sys/fs/cgroup/cpu';
const V2 = '/sys/fs/cgroup';

/** Limits each process to a fixed share of a core, with Linux control groups (version 1 or 2; needs root). */
export class CpuShares {
  readonly #root: string;
  readonly #version: 1 | 2;
  readonly #groups: string[] = [];
  #next = 0;

  private constructor(root: string, version: 1 | 2) {
    this.#root = root;
    this.#version = version;
  }

  /** Returns the reason as text where this system or user cannot do it. */
  static open(): CpuShares | string {
    const version = existsSync(join(V1, 'cpu.cfs_quota_us')) || existsSync(join(V1, 'cgroup.procs')) ? 1 : 2;
    const root = join(version === 1 ? V1 : V2, `sink-scale-${process.pid}`);
    try {
      if (version === 2 && !readFileSync(join(V2, 'cgroup.subtree_control'), 'utf8').includes('cpu')) {
        return `the cpu controller is not handed down in ${V2}/cgroup.subtree_control`;
      }
      mkdirSync(root);
      if (version === 2) writeFileSync(join(root, 'cgroup.subtree_control'), '+cpu');
      return new CpuShares(root, version);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  /** From now on all threads of the process, and the children that it starts later, share so many cores. */
  hold(pid: number, cores: number): void {
    const group = join(this.#root, String(this.#next++));
    const quotaMicros = Math.round(PERIOD_MICROS * cores);
    mkdirSync(group);
    this.#groups.push(group);
    if (this.#version === 1) {
      writeFileSync(join(group, 'cpu.cfs_period_us'), String(PERIOD_MICROS));
      writeFileSync(join(group, 'cpu.cfs_quota_us'), String(quotaMicros));
    } else {
      writeFileSync(join(group, 'cpu.max'), `${quotaMicros} ${PERIOD_MICROS}`);
    }
    writeFileSync(join(group, 'cgroup.procs'), String(pid));
  }

  /** Releases the processes in the groups and removes the groups. */
  close(): void {
    const home = join(this.#version === 1 ? V1 : V2, 'cgroup.procs');
    for (const group of [...this.#groups, this.#root]) {
      for (const pid of readFileSync(join(group, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean)) {
        writeFileSync(home, pid);
      }
      rmdirSync(group);
    }
  }
}

/** The running children of a process. */
export function childrenOf(pid: number): readonly number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
}
