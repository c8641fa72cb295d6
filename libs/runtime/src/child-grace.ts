const GRACE_MIN_MS = 100;

/** The `stop_grace` of a child process, for its environment: a share of what its parent has for it. */
export function childStopGrace(graceMs: number, share: number): string {
  return `${Math.max(GRACE_MIN_MS, Math.floor(graceMs * share))}ms`;
}
