import { eventually } from '@sink/testing';
import { afterEach, expect, it } from 'vitest';
import { Pipeline } from '../harness/pipeline.ts';

const EVENTS_PER_REQUEST = 6;
/** A request has three chunks. */
const TEXT = 'x'.repeat(400_000);
const PRODUCERS = 4;

let pipeline: Pipeline | undefined;
afterEach(async () => {
  await pipeline?.stop();
  pipeline = undefined;
});

it(
  'large batches keep their order within every object while ingests, batchers and Redis are killed',
  { timeout: 240_000 },
  async () => {
    const sink = (pipeline = await Pipeline.start({ ingests: 2, batchers: 2, settings: { SINK_FLUSH_SIZE: '25' } }));
    const sending = new AbortController();
    const requests = { sent: 0, stored: 0 };
    const producers = Array.from({ length: PRODUCERS }, async () => {
      while (!sending.signal.aborted) {
        if (await sendBatch(sink, requests.sent++)) requests.stored += 1;
        else await new Promise((resolve) => setTimeout(resolve, 50));
      }
    });
    const moreStored = async (): Promise<void> => {
      const enough = requests.stored + 5;
      await eventually(() => expect(requests.stored).toBeGreaterThanOrEqual(enough), { timeoutMs: 60_000 });
    };
    for (const kind of ['batcher', 'ingest', 'batcher'] as const) {
      await moreStored();
      const [victim] = sink.of(kind);
      if (victim) await sink.crash(victim);
    }
    await moreStored();
    await sink.redis.kill();
    await sink.redis.restart();
    await moreStored();
    sending.abort();
    await Promise.all(producers);
    await sink.drained();

    let stored = 0;
    for (const [key, lines] of await sink.objects()) {
      stored += lines.length;
      const places = new Map<number, number>();
      for (const line of lines) {
        const { request, place } = (JSON.parse(line) as { data: { request: number; place: number } }).data;
        expect(place, `request ${request} in ${key}`).toBeGreaterThan(places.get(request) ?? -1);
        places.set(request, place);
      }
    }
    expect(stored).toBeGreaterThanOrEqual(requests.stored * EVENTS_PER_REQUEST);
  },
);

/** Sends one batch to an ingest; false without a 2xx. */
async function sendBatch(sink: Pipeline, request: number): Promise<boolean> {
  const ingests = sink.of('ingest');
  const url = ingests[request % ingests.length]?.url ?? '';
  const events = Array.from({ length: EVENTS_PER_REQUEST }, (_, place) => ({
    ...{ specversion: '1.0', id: `${request}.${place}`, source: '/order', type: 't' },
    data: { request, place, text: TEXT },
  }));
  try {
    const headers = { 'Content-Type': 'application/cloudevents-batch+json' };
    const signal = AbortSignal.timeout(5_000);
    return (await fetch(url, { method: 'POST', headers, body: JSON.stringify(events), signal })).ok;
  } catch {
    return false;
  }
}
