import { setTimeout as sleep } from 'node:timers/promises';
import { SERVICES, type ServiceName, type SinkProcesses } from '../sink/processes.ts';

const EVERY_MS = 500;

export interface RssSample {
  readonly atSeconds: number;
  readonly bytes: Readonly<Record<ServiceName, number>>;
}

/** Memory of each service, again and again until the action has ended. */
export async function sampledWhile(sink: SinkProcesses, action: Promise<unknown>): Promise<RssSample[]> {
  const samples: RssSample[] = [];
  const ended = new AbortController();
  const over = action.finally(() => ended.abort());
  const startMs = performance.now();
  while (!ended.signal.aborted) {
    const usage = sink.usage();
    const [ingest, batcher, uploader] = SERVICES.map((name) => usage[name].rssBytes);
    samples.push({
      atSeconds: (performance.now() - startMs) / 1000,
      bytes: { ingest: ingest ?? 0, batcher: batcher ?? 0, uploader: uploader ?? 0 },
    });
    await sleep(EVERY_MS, undefined, { signal: ended.signal }).catch(() => undefined);
  }
  await over;
  return samples;
}
