import type { Pipeline } from './pipeline.ts';
import type { Producers } from './producer.ts';

/** Kills each service and then Redis with SIGKILL, one at a time under load, and restarts each. */
export async function killEach(sink: Pipeline, producers: Producers): Promise<void> {
  for (const service of [...sink.services]) {
    await producers.acknowledgedMore(150);
    await sink.crash(service);
  }
  await producers.acknowledgedMore(150);
  await sink.redis.kill();
  await sink.redis.restart();
}
