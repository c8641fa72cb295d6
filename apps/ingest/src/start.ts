import { randomBytes } from 'node:crypto';
import { fingerprint } from '@sink/cloudevents';
import { IngestLane, IoredisPort, RedisRefused } from '@sink/lane';
import { openRedis } from '@sink/redis';
import { FailureReporter, type ServiceContext } from '@sink/runtime';
import { announceLanes } from './commit/announce-lanes.ts';
import { composeIngest, type IngestPorts } from './compose.ts';
import { startIngestServer } from './http/server.ts';
import { ingestSettings, type IngestSettings } from './settings.ts';
import { shareOf } from './workers/worker-count.ts';

/** Starts ingest: events come in by HTTP, chunks go to Redis. */
export async function startIngest(context: ServiceContext): Promise<void> {
  const { args, config, log, clock, registry, readiness, shutdown, signal } = context;
  const redis = await openRedis(context);
  const settings = ingestSettings(shareOf(config, args.workerOf ?? 1), redis);
  const commands = new IoredisPort(redis.commands);
  await announceLanes(settings.sinkName, settings.lanes, {
    redis: commands,
    readiness,
    clock,
    random: Math.random,
    signal,
  });

  const failures = new FailureReporter(
    { log, clock },
    { name: 'storing a chunk', failing: 'storing a chunk fails; it is retried', working: null, logEveryMs: 1_000 },
  );
  const ingest = composeIngest(
    {
      connect: () => {
        const connection = redis.connect('append');
        shutdown.add('append connection', async () => connection.disconnect());
        return new IoredisPort(connection);
      },
      clock: { ...clock, ...timers },
      registry,
      newUid: () => randomBytes(8).toString('hex'),
      fingerprint,
      failed: (err) => failures.failed({ err }),
      crash: (error) => context.fail(error),
    },
    settings,
  );
  shutdown.add('group commit', () => ingest.stop());
  const watching = watchLanes(context, commands, settings);
  shutdown.add('redis watch', () => watching);

  const server = await startIngestServer(
    {
      ...ingest,
      readiness,
      alsoReady: args.alsoReady,
      middleware: [],
      sharedPort: args.workerOf !== null,
      clock,
      log,
    },
    settings,
  );
  shutdown.add('http', () => server.close());
  log.info({ port: server.port, durability: settings.barrier }, 'taking events');
}

/** Makes ingest unready while it can store nothing: a load balancer then prefers a replica that can. */
async function watchLanes(
  { clock, readiness, signal }: ServiceContext,
  redis: IoredisPort,
  { sinkName, lanes: count, readinessEveryMs }: IngestSettings,
): Promise<void> {
  const lanes = Array.from({ length: count }, (_, number) => new IngestLane(redis, sinkName, number));
  while (!signal.aborted) {
    try {
      const problems = await Promise.all(lanes.map((lane) => lane.unusable()));
      readiness.set('redis', null);
      readiness.set('lanes', problems.find((problem) => problem !== null) ?? null);
    } catch (error) {
      const reason = error instanceof RedisRefused ? error.message : 'Redis does not answer';
      readiness.set('redis', `${reason}; events are held, then refused with 503`);
    }
    await clock.sleep(readinessEveryMs, signal);
  }
}

const timers: Pick<IngestPorts['clock'], 'soon' | 'after'> = {
  soon: (callback) => void setImmediate(callback),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};
