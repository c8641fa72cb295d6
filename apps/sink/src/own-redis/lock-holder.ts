import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { processIdentity } from './process-identity.ts';

/** Where a process runs, and so which others it can see. */
export interface Place {
  readonly host: string;
  /** Of the kernel; containers of one machine share it. Empty where the system has none (macOS). */
  readonly boot: string;
  /** Process numbers mean the same only within it. Null: an earlier release did not write it. */
  readonly pidNamespace: string | null;
}

/** The content of the lock file. */
export interface Holder extends Place {
  readonly pid: number;
  readonly identity: string;
  /** New for every holder. */
  readonly nonce: string;
  /** The inode of the file whose kernel's lock it holds too; null without one. */
  readonly kernelLock: number | null;
  /** None of its processes runs any more, but it did not stop in order. */
  readonly ended: boolean;
}

export function currentPlace(): Place {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return { host: hostname(), boot, pidNamespace: readlinkSync('/proc/self/ns/pid') };
  } catch {
    return { host: hostname(), boot: '', pidNamespace: '' };
  }
}

export function newHolder(place: Place, kernelLock: number | null): Holder {
  const identity = processIdentity(process.pid) ?? '';
  return { pid: process.pid, identity, ...place, nonce: randomBytes(6).toString('hex'), kernelLock, ended: false };
}

/** Null when a crash of the machine cut the file. */
export function parseHolder(text: string): Holder | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return null;
    const { pid, identity, host, boot, pidNamespace, nonce, kernelLock, ended } = value as Partial<
      Record<keyof Holder, unknown>
    >;
    if (typeof pid !== 'number' || typeof identity !== 'string' || typeof host !== 'string') return null;
    return {
      pid,
      identity,
      host,
      boot: typeof boot === 'string' ? boot : (identity.split(' ')[0] ?? ''),
      pidNamespace: typeof pidNamespace === 'string' ? pidNamespace : null,
      nonce: typeof nonce === 'string' ? nonce : '',
      kernelLock: typeof kernelLock === 'number' ? kernelLock : null,
      ended: ended === true,
    };
  } catch {
    return null;
  }
}

/** Whether the holder's process lives. Unknown: in another PID namespace, or on another host. */
export function stateOf(holder: Holder, own: Place): 'alive' | 'dead' | 'unknown' {
  if (holder.ended) return 'dead';
  if (!isSameKernel(holder, own)) return 'unknown';
  if (holder.pidNamespace === null) {
    return holder.host === own.host && processIdentity(holder.pid) === holder.identity ? 'alive' : 'unknown';
  }
  if (holder.pidNamespace !== own.pidNamespace) return 'unknown';
  return processIdentity(holder.pid) === holder.identity ? 'alive' : 'dead';
}

export function isSameKernel(holder: Place, own: Place): boolean {
  return holder.boot === own.boot && (own.boot !== '' || holder.host === own.host);
}

/** "another sink (process 7 on web-1)". */
export function describeHolder(holder: Holder | null, own: Place): string {
  if (holder === null) return 'a process of another sink';
  const { host, pid } = holder;
  if (stateOf(holder, own) !== 'unknown') return `another sink (process ${pid})`;
  return `another sink (process ${pid} ${host === own.host ? 'of another container' : `on ${host}`})`;
}
