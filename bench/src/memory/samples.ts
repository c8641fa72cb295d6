import { setTimeout as sleep } from 'node:timers/promises';
import type { SinkProcesses } from '../sink/processes.ts';
import type { ServiceName } from '../sink/service.ts';

const EVERY_MS = 500;

export interface RssSample {
  readonly atSeconds: number;
  readonly bytes: Readonly<Record<ServiceName, number>>;
}

export interface WatchedMemory {
  readonly samples: readonly RssSample[];
  /** The kernel's own highest value since the start, which no sample can miss. */
  readonly rssPeakBytes: Readonly<Record<ServiceName, number>>;
}

/** Samples the memory of each service until the action ends. */
export async function sampledWhile(sink: SinkProcesses, action: Promise<unknown>): Promise<WatchedMemory> {
  const samples: RssSample[] = [];
  const ended = new AbortController();
  const over = action.finally(() => ended.abort());
  const startMs = performance.now();
  while (!ended.signal.aborted) {
    samples.push({ atSeconds: (performance.now() - startMs) / 1000, bytes: ofEach(sink, 'rssBytes') });
    await sleep(EVERY_MS, undefined, { signal: ended.signal }).catch(() => undefined);
  }
  await over;
  return { samples, rssPeakBytes: ofEach(sink, 'rssPeakBytes') };
}

function ofEach(sink: SinkProcesses, figure: 'rssBytes' | 'rssPeakBytes'): Record<ServiceName, number> {
  const { ingest, batcher, uploader } = sink.usage();
  return { ingest: ingest[figure], batcher: batcher[figure], uploader: uploader[figure] };
}
