import { eventually } from '@sink/testing';
import type { Redis } from 'ioredis';
import { afterEach, expect, it } from 'vitest';
import { FAULTLESS, judge } from '../harness/oracle.ts';
import { Pipeline } from '../harness/pipeline.ts';
import { Producers } from '../harness/producer.ts';
import { LaneCluster } from './cluster.ts';
import { Sentinels } from './sentinels.ts';

const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function startSink(redisAt: Readonly<Record<string, string>>): Promise<{ sink: Pipeline; producers: Producers }> {
  const settings = { SINK_REPLICAS: '1', SINK_FLUSH_SIZE: '200' };
  const sink = await Pipeline.start({ redisAt, settings });
  stops.push(() => sink.stop());
  const producers = new Producers(() => sink.of('ingest'), 16);
  await producers.acknowledgedMore(500);
  return { sink, producers };
}

async function startSentinels(): Promise<{ redis: Sentinels; sink: Pipeline; producers: Producers }> {
  const redis = await Sentinels.start();
  stops.push(() => redis.stop());
  return { redis, ...(await startSink(redis.environment)) };
}

async function everythingIsStoredOnce(
  sink: Pipeline,
  producers: Producers,
  master: () => Promise<Redis>,
): Promise<void> {
  await producers.acknowledgedMore(300);
  await producers.stop();
  await eventually(
    async () => {
      const left = await sink.leftInRedis(await master(), 0);
      if (Object.values(left).some((count) => count !== 0)) throw new Error(`still in Redis: ${JSON.stringify(left)}`);
    },
    { timeoutMs: 60_000 },
  );
  expect(await judge(sink, producers)).toMatchObject(FAULTLESS);
}

/** The longest time without a 2xx while `during` runs and for three seconds more, in milliseconds. */
async function longestPause(producers: Producers, during: () => Promise<void>): Promise<number> {
  let [acknowledged, sinceMs, longestMs] = [producers.acknowledgedTries, performance.now(), 0];
  const timer = setInterval(() => {
    const nowMs = performance.now();
    longestMs = Math.max(longestMs, nowMs - sinceMs);
    if (producers.acknowledgedTries > acknowledged) sinceMs = nowMs;
    acknowledged = producers.acknowledgedTries;
  }, 20);
  try {
    await during();
    await new Promise((resolve) => setTimeout(resolve, 3_000));
  } finally {
    clearInterval(timer);
  }
  return longestMs;
}

it(
  'a planned failover of Sentinel under load, two replicas and replicas: 1: every acknowledged event exactly once',
  { timeout: 180_000 },
  async () => {
    const { redis, sink, producers } = await startSentinels();
    // Sentinel demotes the old master after ten seconds. The sink must not wait for that.
    expect(await longestPause(producers, () => redis.planFailover())).toBeLessThan(7_000);
    await everythingIsStoredOnce(sink, producers, async () => redis.clientOf(await redis.master()));
  },
);

it(
  'replicas and masters are killed and hang under load: every acknowledged event exactly once',
  { timeout: 180_000 },
  async () => {
    const { redis, sink, producers } = await startSentinels();
    const killed = await redis.replica();
    await killed.kill();
    await producers.acknowledgedMore(500);
    await killed.restart();
    await redis.allInSync();

    const hanging = await redis.replica();
    hanging.signal('SIGSTOP');
    await producers.acknowledgedMore(500);
    hanging.signal('SIGCONT');
    await redis.allInSync();

    const former = await redis.master();
    await former.kill();
    await redis.failedOver(former);
    await producers.acknowledgedMore(500);
    await former.restart();
    await redis.allInSync();

    const stopped = await redis.master();
    stopped.signal('SIGSTOP');
    await redis.failedOver(stopped);
    await producers.acknowledgedMore(500);
    stopped.signal('SIGCONT');
    await producers.acknowledgedMore(300);
    await everythingIsStoredOnce(sink, producers, async () => redis.clientOf(await redis.master()));
  },
);

it(
  'in a Cluster: CLUSTER FAILOVER, and masters that are killed and hang: every acknowledged event exactly once',
  { timeout: 180_000 },
  async () => {
    const redis = await LaneCluster.start('e2e');
    stops.push(() => redis.stop());
    const { sink, producers } = await startSink(redis.environment);

    const planned = redis.other(await redis.master());
    await planned.admin.call('CLUSTER', 'FAILOVER');
    await redis.failedOverTo(planned);
    await redis.inSync();
    await producers.acknowledgedMore(500);

    await planned.server.kill();
    const next = redis.other(planned);
    await redis.failedOverTo(next);
    await planned.server.restart();
    await redis.inSync();
    await producers.acknowledgedMore(500);

    next.server.signal('SIGSTOP');
    await redis.failedOverTo(planned);
    next.server.signal('SIGCONT');
    await redis.inSync();
    await producers.acknowledgedMore(500);
    await everythingIsStoredOnce(sink, producers, async () => (await redis.master()).admin);
  },
);
