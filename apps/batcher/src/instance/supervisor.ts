import { isRetryable } from '@sink/domain';
import { SpoolError } from '@sink/spool';
import type { BatcherPorts } from '../ports.ts';
import type { BatcherInstance } from './instance.ts';

export interface SupervisorPorts extends Pick<BatcherPorts, 'clock' | 'ids' | 'log'> {
  readonly openInstance: (consumer: string) => Promise<BatcherInstance>;
}

/**
 * Runs one batcher instance after the other, each under a new name, until `stop` aborts and everything is sealed. An
 * instance ends when it loses its lease, when it is to be replaced because the sink has more lanes, or when it fails.
 * Failures of Redis and of the disk end only an instance.
 * @throws any other error: a broken invariant, or what needs an operator
 */
export async function superviseInstances(
  { clock, ids, log, openInstance }: SupervisorPorts,
  restartWaitMs: number,
  stop: AbortSignal,
): Promise<void> {
  while (!stop.aborted) {
    const consumer = ids.consumer();
    try {
      const instance = await openInstance(consumer);
      const ended = await instance.run(stop);
      if (ended === 'lease_lost') log.warn({ consumer }, 'lease lost; starting again under a new name');
    } catch (error) {
      if (!endsInstanceOnly(error)) throw error;
      log.warn({ consumer, err: error }, 'instance failed; starting again under a new name');
    }
    await clock.sleep(restartWaitMs, stop);
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
