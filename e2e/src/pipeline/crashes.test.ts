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

it(
  'SIGKILL of ingest, batcher, uploader and Redis, one at a time under load, then of everything at once: every acknowledged event exactly once',
  { timeout: 240_000 },
  async () => {
    const sink = (pipeline = await Pipeline.start({ settings: { SINK_FLUSH_SIZE: '50' } }));
    const producers = new Producers(() => sink.of('ingest'), 24);
    for (let round = 0; round < 2; round++) await killEach(sink, producers);
    await producers.acknowledgedMore(150);
    await Promise.all([...sink.services.map((service) => service.process.kill('SIGKILL')), sink.redis.kill()]);
    await sink.redis.restart();
    await Promise.all(sink.services.map((service) => sink.crash(service)));
    await producers.acknowledgedMore(150);
    await producers.stop();
    await sink.drained();
    expect(await judge(sink, producers)).toMatchObject(FAULTLESS);
    expect(producers.acknowledgedTries).toBeGreaterThan(1_000);
    // The faults had an effect: connections of the producers broke.
    expect(producers.statuses.get('none') ?? 0).toBeGreaterThan(0);
  },
);

it(
  'three ingests, three batchers and two uploaders share one lane; one of each is killed under load',
  { timeout: 240_000 },
  async () => {
    const sink = (pipeline = await Pipeline.start({
      ingests: 3,
      batchers: 3,
      uploaders: 2,
      settings: { SINK_FLUSH_SIZE: '40' },
    }));
    const producers = new Producers(() => sink.of('ingest'), 24);
    await producers.acknowledgedMore(400);
    for (const kind of ['ingest', 'batcher', 'uploader'] as const) {
      const [victim] = sink.of(kind);
      if (victim) await victim.process.kill('SIGKILL');
      if (victim) sink.services.splice(sink.services.indexOf(victim), 1);
      await producers.acknowledgedMore(300);
    }
    await producers.stop();
    await sink.drained();
    expect(await judge(sink, producers)).toMatchObject(FAULTLESS);
  },
);
