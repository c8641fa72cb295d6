import { availableParallelism } from 'node:os';
import { type ServiceContext, usableMemoryBytes } from '@sink/runtime';
import { type Machine, workerCount } from './worker-count.ts';

/**
 * How many processes take events: 1 for a worker, which is one of them. Says so where the system allows fewer than are
 * configured.
 */
export function chooseWorkers(
  { args, config, log }: Pick<ServiceContext, 'args' | 'config' | 'log'>,
  machine: Machine = thisMachine(args.alsoReady.length > 0),
): number {
  if (args.workerOf !== null) return 1;
  const workers = workerCount(config, machine);
  if (config.ingestWorkers !== null && workers < config.ingestWorkers) {
    const { platform } = machine;
    log.warn({ workers, platform }, 'ingest.workers: this system does not spread connections, one process takes all');
  }
  return workers;
}

/** Who answers for the readiness of the other services runs beside them: the all-in-one. */
function thisMachine(shared: boolean): Machine {
  const { platform } = process;
  return { platform, cores: availableParallelism(), memoryBytes: usableMemoryBytes(), shared };
}
