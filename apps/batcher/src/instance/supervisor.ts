import { isRetryable } from '@sink/domain';
import { SpoolError } from '@sink/spool';
import type { BatcherPorts, Reporter } from '../ports.ts';
import type { BatcherInstance } from './instance.ts';

export interface SupervisorPorts extends Pick<BatcherPorts, 'clock' | 'ids' | 'log'> {
  readonly openInstance: (consumer: string) => Promise<Pick<BatcherInstance, 'run'>>;
  /** Learns of instances that fail. */
  readonly reporter: Reporter;
}

/** The wait between two instances, which doubles while they fail one after the other. */
export interface RestartWaits {
  readonly restartWaitMs: number;
  readonly restartWaitMsMax: number;
}

/**
 * Runs one batcher instance after the other, each under a new name, until `stop` aborts and everything is sealed. An
 * instance ends when it loses its lease, when it is to be replaced because the sink has more lanes, or when it fails.
 * Failures of Redis and of the disk end only an instance.
 * @throws any other error: a broken invariant, or what needs an operator
 */
export async function superviseInstances(
  { clock, ids, log, openInstance, reporter }: SupervisorPorts,
  { restartWaitMs, restartWaitMsMax }: RestartWaits,
  stop: AbortSignal,
): Promise<void> {
  let failures = 0;
  while (!stop.aborted) {
    const consumer = ids.consumer();
    try {
      const instance = await openInstance(consumer);
      failures = 0;
      reporter.succeeded();
      const ended = await instance.run(stop);
      if (ended === 'lease_lost') log.warn({ consumer }, 'lease lost; starting again under a new name');
    } catch (error) {
      if (!endsInstanceOnly(error)) throw error;
      failures += 1;
      reporter.failed({ err: error });
    }
    await clock.sleep(Math.min(restartWaitMs * 2 ** Math.max(0, failures - 1), restartWaitMsMax), stop);
  }
}

/**
 * Retryable failures of Redis and of the disk end only the instance. So does a folder that is gone: another batcher took
 * the instance for dead and removed its files.
 */
function endsInstanceOnly(error: unknown): boolean {
  if (error instanceof SpoolError && error.code === 'spool_gone') return true; // rule: supervisor.folder-gone
  return isRetryable(error);
}
