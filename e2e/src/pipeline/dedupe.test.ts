import { afterEach, expect, it } from 'vitest';
import { Pipeline, type Service } from '../harness/pipeline.ts';

let pipeline: Pipeline | undefined;
afterEach(async () => {
  await pipeline?.stop();
  pipeline = undefined;
});

const DELIVERIES = 3;
const EVENTS = 600;
const BATCH = 6;

/** Sends a batch until it gets a 2xx, as a broker does. `delivery` is the number of earlier deliveries. */
async function deliver(targets: readonly Service[], ids: readonly string[], delivery: number): Promise<void> {
  const body = JSON.stringify(
    ids.map((id) => ({ specversion: '1.0', id, source: '/dedupe', type: 't', delivery, data: { id } })),
  );
  for (let attempt = 0; attempt < 200; attempt++) {
    const target = targets[(delivery + attempt) % targets.length];
    const status = await fetch(target?.url ?? '', {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents-batch+json' },
      body,
      signal: AbortSignal.timeout(5_000),
    }).then(
      (response) => response.status,
      () => 0,
    );
    if (status === 202) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`no 2xx for ${ids.join(', ')}`);
}

it(
  'dedupe_window: events that are delivered repeatedly to two replicas on two lanes, despite kills, are in S3 once',
  { timeout: 120_000 },
  async () => {
    const sink = (pipeline = await Pipeline.start({
      ingests: 2,
      settings: {
        SINK_DEDUPE_WINDOW: '1h',
        SINK_MAX_FINGERPRINTS: '10000',
        SINK_LANES: '2',
        SINK_RECEIPTS_MAX: '1000',
      },
    }));
    const ids = Array.from({ length: EVENTS }, (_, n) => `e${n}`);
    let delivered = 0;
    const deliveries = Array.from({ length: DELIVERIES }, async (_, delivery) => {
      for (let from = 0; from < EVENTS; from += BATCH) {
        const batch = ids.slice(from, from + BATCH);
        await deliver(sink.of('ingest'), [...batch, batch[0] ?? ''], delivery);
        delivered += 1;
      }
    });
    const [ingest] = sink.of('ingest');
    await expect.poll(() => delivered, { interval: 5, timeout: 30_000 }).toBeGreaterThan(20);
    if (ingest) await sink.crash(ingest);
    await sink.redis.kill();
    await sink.redis.restart();
    await Promise.all(deliveries);
    await sink.drained(60_000, 2);

    const lines = [...(await sink.objects()).values()].flat();
    expect(lines.map((line) => (JSON.parse(line) as { id: string }).id).sort()).toEqual([...ids].sort());

    // Delivers everything again when all of it is in S3: nothing is stored, and the metrics count the duplicates.
    await deliver(sink.of('ingest'), ids, 0);
    const metrics = await Promise.all(
      sink.of('ingest').map(async ({ opsUrl }) => (await fetch(`${opsUrl}/metrics`)).text()),
    );
    const duplicates = metrics.map((text) => Number(/^sink_ingest_events_duplicate_total (\d+)$/m.exec(text)?.[1]));
    expect(Math.max(...duplicates)).toBeGreaterThanOrEqual(EVENTS);
    await expect
      .poll(
        async () => {
          const [batcher] = sink.of('batcher');
          const text = await (await fetch(`${batcher?.opsUrl}/metrics`)).text();
          return [...text.matchAll(/^sink_dedupe_fingerprints\{lane="\d"\} (\d+)$/gm)]
            .map(([, count]) => Number(count))
            .reduce((sum, count) => sum + count, 0);
        },
        { timeout: 20_000 },
      )
      .toBe(EVENTS);
    expect([...(await sink.objects()).values()].flat()).toHaveLength(EVENTS);
  },
);
