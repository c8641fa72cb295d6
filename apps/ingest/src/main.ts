import { runService } from '@sink/runtime';
import { sayIfOpen } from './producers/say-if-open.ts';
import { chooseWorkers } from './workers/worker-count.ts';

await runService('ingest', async (context) => {
  sayIfOpen(context);
  const workers = chooseWorkers(context);
  // Not at the top: the parent of workers needs none of what takes events, and is smaller without it.
  if (workers === 1) await (await import('./start.ts')).startIngest(context);
  else await (await import('./workers/workers.ts')).startWorkers(context, workers);
});
