import { parseEvidence } from '@sink/domain';
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

const SETTINGS = { SINK_FLUSH_SIZE: '50', SINK_ON_INVALID: 'quarantine', SINK_QUARANTINE_MAX_PER_SECOND: '10000' };

/** The short form of src/pipeline/crashes.test.ts, with a tenth of bad events. */
it('SIGKILL of ingest, batcher, uploader and Redis under load: every acknowledged event is in exactly one object, and every refused one in quarantine once', async () => {
  const sink = (pipeline = await Pipeline.start({ settings: SETTINGS }));
  const producers = new Producers(() => sink.of('ingest'), 24, { bad: true });
  await killEach(sink, producers);
  await producers.acknowledgedMore(150);
  await producers.stop();
  await sink.drained();
  const verdict = await judge(sink, producers);
  expect(verdict).toMatchObject(FAULTLESS);
  expect(producers.acknowledgedTries).toBeGreaterThan(700);
  // The producers felt the faults: connections broke.
  expect(producers.statuses.get('none') ?? 0).toBeGreaterThan(0);
  // Alone and inside batches.
  expect(verdict.quarantined).toBeGreaterThan(50);
  const kept = [...(await sink.objects())].flatMap(([key, lines]) => (key.startsWith('quarantine/') ? lines : []));
  expect(new Set(kept.map((line) => parseEvidence(line).index))).toEqual(new Set([null, 1]));
});
