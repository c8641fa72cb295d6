import { afterEach, expect, it } from 'vitest';
import { killEach } from '../harness/kills.ts';
import { FAULTLESS, judge } from '../harness/oracle.ts';
import { Pipeline } from '../harness/pipeline.ts';
import { Producers } from '../harness/producer.ts';

let pipeline: Pipeline | undefined;
afterEach(async () => {
  await pipeline?.stop();
  pipeline = undefined;
});

/** The short form of src/pipeline/crashes.test.ts. */
it('SIGKILL of ingest, batcher, uploader and Redis under load: every acknowledged event is in exactly one object', async () => {
  const sink = (pipeline = await Pipeline.start({ settings: { SINK_FLUSH_SIZE: '50' } }));
  const producers = new Producers(() => sink.of('ingest'), 24);
  await killEach(sink, producers);
  await producers.acknowledgedMore(150);
  await producers.stop();
  await sink.drained();
  expect(await judge(sink, producers)).toMatchObject(FAULTLESS);
  expect(producers.acknowledgedTries).toBeGreaterThan(700);
  // The producers felt the faults: connections broke.
  expect(producers.statuses.get('none') ?? 0).toBeGreaterThan(0);
});
