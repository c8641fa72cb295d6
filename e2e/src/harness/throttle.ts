import { readFileSync } from 'node:fs';
import { startProcess } from '@sink/testing';

const PERIOD_MS = 100;

/** In a process of its own, because the one that runs the test may be busy with thousands of clients. */
const SCRIPT = `
const [runningMs, ...pids] = process.argv.slice(1).map(Number);
const send = (signal) => {
  for (const pid of pids) try { process.kill(pid, signal); } catch {}
};
setInterval(() => {
  send('SIGCONT');
  setTimeout(send, runningMs, 'SIGSTOP');
}, ${PERIOD_MS});
process.once('SIGTERM', () => {
  send('SIGCONT');
  process.exit();
});
`;

const TICKS_PER_SECOND = 100;

/**
 * Lets processes run for a share of each tenth of a second only, as a limit of CPU time does, until the returned function is
 * called. That returns how many cores they had on average. For Linux.
 */
export async function throttle(
  processes: readonly { readonly pid: number }[],
  share: number,
): Promise<() => Promise<number>> {
  const used = (): number => processes.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0);
  const [startMs, before] = [performance.now(), used()];
  const args = ['-e', SCRIPT, String(PERIOD_MS * share), ...processes.map(({ pid }) => String(pid))];
  const throttling = await startProcess({ command: process.execPath, args });
  return async () => {
    await throttling.kill('SIGTERM');
    return (used() - before) / ((performance.now() - startMs) / 1_000);
  };
}

function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
