import { eventually } from '@sink/testing';
import { afterEach, expect, it } from 'vitest';
import { Pipeline, type Service } from '../harness/pipeline.ts';

let pipeline: Pipeline | undefined;
afterEach(async () => {
  await pipeline?.stop();
  pipeline = undefined;
});

/** The samples of a service's /metrics, by name with labels. */
async function metrics(service: Service | undefined): Promise<Map<string, number>> {
  const text = await (await fetch(`${service?.opsUrl ?? ''}/metrics`)).text();
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    samples.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );
}

/** The sum of a metric over its labels. */
function total(samples: Map<string, number>, name: string): number {
  return [...samples].filter(([sample]) => sample.split('{', 1)[0] === name).reduce((sum, [, value]) => sum + value, 0);
}

it('the metrics that an operator needs follow ten events from ingest to S3', async () => {
  // The end of an hour also closes files.
  const settings = { SINK_SCHEDULED_INTERVAL: '12', SINK_TIME_INTERVAL: 'DAILY' };
  const sink = (pipeline = await Pipeline.start({ settings }));
  const [ingest] = sink.of('ingest');
  const [batcher] = sink.of('batcher');
  const [uploader] = sink.of('uploader');
  const events = Array.from({ length: 10 }, (_, id) => ({
    specversion: '1.0',
    id: String(id),
    source: '/e2e',
    type: 't',
  }));
  const post = (body: string): Promise<Response> =>
    fetch(ingest?.url ?? '', {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents-batch+json' },
      body,
    });
  expect((await post(JSON.stringify(events))).status).toBe(202);
  expect((await post('[{"specversion":"1.0"}]')).status).toBe(400);

  const accepted = await metrics(ingest);
  expect(total(accepted, 'sink_ingest_events_accepted_total')).toBe(10);
  expect(total(accepted, 'sink_ingest_requests_refused_total')).toBe(1);
  expect(total(accepted, 'sink_durability_info')).toBe(1);
  expect(total(accepted, 'sink_ready')).toBe(1);

  // A batcher reads its gauges from Redis every five seconds, so at least once while the file is open.
  await eventually(
    async () => {
      const waiting = await metrics(batcher);
      expect(total(waiting, 'sink_backlog_events')).toBe(10);
      expect(total(waiting, 'sink_backlog_bytes')).toBeGreaterThan(500);
      expect(total(waiting, 'sink_oldest_unsealed_age_seconds')).toBeGreaterThan(0);
      expect(total(waiting, 'sink_open_paths')).toBe(1);
      expect(total(waiting, 'sink_open_bytes')).toBeGreaterThan(500);
      expect(total(waiting, 'sink_open_files')).toBe(0);
      expect(total(waiting, 'sink_backlog_max_bytes')).toBeGreaterThan(1_000_000);
      expect(total(waiting, 'sink_scheduled_interval_seconds')).toBe(12);
      expect(total(waiting, 'sink_disk_free_bytes')).toBeGreaterThan(total(waiting, 'sink_disk_reserve_bytes'));
      expect(total(waiting, 'sink_disk_bytes')).toBeGreaterThan(total(waiting, 'sink_disk_free_bytes'));
      expect(total(waiting, 'sink_redis_memory_used_bytes')).toBeGreaterThan(500_000);
      expect(total(waiting, 'sink_redis_memory_max_bytes')).toBe(256 * 1024 ** 2);
    },
    { timeoutMs: 11_000 },
  );

  await sink.drained();
  await eventually(
    async () => {
      const sealed = await metrics(batcher);
      expect(total(sealed, 'sink_segments_sealed_total')).toBe(1);
      expect(total(sealed, 'sink_segment_events_sealed_total')).toBe(10);
      expect(total(sealed, 'sink_backlog_events')).toBe(0);
      expect(total(sealed, 'sink_backlog_bytes')).toBe(0);
      expect(total(sealed, 'sink_oldest_unsealed_age_seconds')).toBe(0);
      expect(total(sealed, 'sink_open_paths')).toBe(0);
      expect(total(sealed, 'sink_open_bytes')).toBe(0);
    },
    { timeoutMs: 15_000 },
  );
  const uploaded = await metrics(uploader);
  expect(total(uploaded, 'sink_uploads_total')).toBe(1);
  expect(total(uploaded, 'sink_uploaded_events_total')).toBe(10);
  expect(total(uploaded, 'sink_upload_seconds_count')).toBe(1);
  expect(total(uploaded, 'sink_accepted_to_stored_seconds_count')).toBe(1);
  expect(total(uploaded, 'sink_accepted_to_stored_seconds_sum')).toBeGreaterThan(11);
  await eventually(async () => expect(total(await metrics(uploader), 'sink_segments_sealed_waiting')).toBe(0), {
    timeoutMs: 15_000,
  });
});
