import { afterEach, expect, it } from 'vitest';
import { FAULTLESS, judge } from '../harness/oracle.ts';
import { Pipeline } from '../harness/pipeline.ts';
import { Producers } from '../harness/producer.ts';

let pipeline: Pipeline | undefined;
afterEach(async () => {
  await pipeline?.stop();
  pipeline = undefined;
});

/** Waits until this many more tries were acknowledged: the faults strike under load, never while idle. */
async function acknowledgedMore(producers: Producers, more: number): Promise<void> {
  const until = producers.acknowledgedTries + more;
  const giveUpMs = performance.now() + 30_000;
  while (producers.acknowledgedTries < until) {
    if (performance.now() > giveUpMs) {
      throw new Error(`no progress: ${JSON.stringify([...producers.statuses])}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

it(
  'SIGKILL of ingest, batcher, uploader and Redis, one at a time under load, then of everything at once: every acknowledged event exactly once',
  { timeout: 120_000 },
  async () => {
    const sink = (pipeline = await Pipeline.start({ settings: { SINK_FLUSH_SIZE: '50' } }));
    const producers = new Producers(() => sink.of('ingest'), 24);
    for (let round = 0; round < 2; round++) {
      for (const service of [...sink.services]) {
        await acknowledgedMore(producers, 150);
        await sink.crash(service);
      }
      await acknowledgedMore(producers, 150);
      await sink.redis.kill();
      await sink.redis.restart();
    }
    await acknowledgedMore(producers, 150);
    await Promise.all([...sink.services.map((service) => service.process.kill('SIGKILL')), sink.redis.kill()]);
    await sink.redis.restart();
    await Promise.all(sink.services.map((service) => sink.crash(service)));
    await acknowledgedMore(producers, 150);
    await producers.stop();
    await sink.drained();
    expect(await judge(sink, producers)).toMatchObject(FAULTLESS);
    expect(producers.acknowledgedTries).toBeGreaterThan(1_000);
    // The faults were felt: connections broke under the producers.
    expect(producers.statuses.get('none') ?? 0).toBeGreaterThan(0);
  },
);

it(
  'three ingests, three batchers and two uploaders share one lane; one of each is killed under load',
  { timeout: 120_000 },
  async () => {
    const sink = (pipeline = await Pipeline.start({
      ingests: 3,
      batchers: 3,
      uploaders: 2,
      settings: { SINK_FLUSH_SIZE: '40' },
    }));
    const producers = new Producers(() => sink.of('ingest'), 24);
    await acknowledgedMore(producers, 400);
    for (const kind of ['ingest', 'batcher', 'uploader'] as const) {
      const [victim] = sink.of(kind);
      if (victim) await victim.process.kill('SIGKILL');
      if (victim) sink.services.splice(sink.services.indexOf(victim), 1);
      await acknowledgedMore(producers, 300);
    }
    await producers.stop();
    await sink.drained();
    expect(await judge(sink, producers)).toMatchObject(FAULTLESS);
  },
);
