import { execFileSync } from 'node:child_process';

const TIMEOUT_MS = 10_000;

/** "Redis server v=7.0.15 sha=..." -> "7.0.15"; null when it cannot be run. */
export function redisServerVersion(server: string): string | null {
  try {
    const output = execFileSync(server, ['--version'], { encoding: 'utf8', timeout: TIMEOUT_MS, stdio: 'pipe' });
    return /\bv=(\S+)/.exec(output)?.[1] ?? null;
  } catch {
    return null;
  }
}
