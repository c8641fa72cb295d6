import { availableParallelism, totalmem } from 'node:os';
import { runService } from '@sink/runtime';
import { workerCount } from './worker-count.ts';

await runService('ingest', async (context) => {
  const { args, config, log } = context;
  const { platform } = process;
  const memoryBytes = Math.min(process.constrainedMemory() || Infinity, totalmem());
  const workers =
    args.workerOf === null ? workerCount(config, { platform, cores: availableParallelism(), memoryBytes }) : 1;
  if (config.ingestWorkers !== null && args.workerOf === null && workers < config.ingestWorkers) {
    log.warn({ workers, platform }, 'ingest.workers: this system does not spread connections, one process takes all');
  }
  // Not at the top: the parent of workers needs none of what takes events, and is smaller without it.
  if (workers === 1) await (await import('./start.ts')).startIngest(context);
  else await (await import('./workers.ts')).startWorkers(context, workers);
});
