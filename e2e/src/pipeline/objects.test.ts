import { afterEach, expect, it } from 'vitest';
import { Pipeline } from '../harness/pipeline.ts';

let pipeline: Pipeline | undefined;
afterEach(async () => {
  await pipeline?.stop();
  pipeline = undefined;
});

async function post(url: string, ids: readonly (string | number)[]): Promise<number> {
  const events = ids.map((id) => ({ specversion: '1.0', id: String(id), source: '/e2e', type: 't' }));
  const headers = { 'content-type': 'application/cloudevents-batch+json' };
  return (await fetch(url, { method: 'POST', headers, body: JSON.stringify(events) })).status;
}

const INTERVAL_MS = 2_000;
/** The sink keeps the interval to within a second. The first PUT of a cold sink gets half a second more. */
const LATE_MS_MAX = 1_500;

it('25 events with flush_size 10 make objects of 10, 10 and 5, and chunks are split between objects', async () => {
  pipeline = await Pipeline.start({
    settings: {
      SINK_FLUSH_SIZE: '10',
      SINK_SCHEDULED_INTERVAL: `${INTERVAL_MS / 1_000}`,
      // The end of an hour also closes files.
      SINK_TIME_INTERVAL: 'DAILY',
    },
  });
  const [ingest] = pipeline.of('ingest');
  const sentAtMs = Date.now();
  expect(
    await post(
      ingest?.url ?? '',
      Array.from({ length: 25 }, (_, id) => id),
    ),
  ).toBe(202);
  await pipeline.drained();
  const objects = [...(await pipeline.objects()).values()];
  expect(objects.map((lines) => lines.length).sort((a, b) => b - a)).toEqual([10, 10, 5]);
  const ids = objects.flat().map((line) => (JSON.parse(line) as { id: string }).id);
  expect(ids.sort((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 25 }, (_, id) => String(id)));
  // The interval begins with the first event of the file.
  const lastMs = Math.max(...(await pipeline.s3.control.objects()).map(({ lastModifiedMs }) => lastModifiedMs));
  expect(lastMs - sentAtMs).toBeGreaterThan(INTERVAL_MS - 100);
  expect(lastMs - sentAtMs).toBeLessThan(INTERVAL_MS + LATE_MS_MAX);
});

it('SIGTERM in order leaves no event in Redis, and every process exits with 0', async () => {
  pipeline = await Pipeline.start({ settings: { SINK_SCHEDULED_INTERVAL: '60' } });
  const [ingest] = pipeline.of('ingest');
  expect(await post(ingest?.url ?? '', [1, 2, 3])).toBe(202);
  for (const kind of ['ingest', 'batcher', 'uploader'] as const) {
    for (const { process } of pipeline.of(kind))
      expect(await process.kill('SIGTERM'), process.output()).toEqual({ code: 0, signal: null });
  }
  expect([...(await pipeline.objects()).values()].flat()).toHaveLength(3);
});
