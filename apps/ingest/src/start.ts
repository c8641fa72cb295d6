import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { fingerprint } from '@sink/cloudevents';
import { readEnvironment } from '@sink/config';
import { assertReached, IngestLane, RedisRefused } from '@sink/lane';
import { limitCommands, openRedis, registerFailoverMetrics, type ServiceRedis } from '@sink/redis';
import { FailureReporter, type Readiness, type ServiceContext } from '@sink/runtime';
import { openRouter } from '@sink/routing';
import { openTracing } from '@sink/tracing';
import { announceLanes } from './commit/announce-lanes.ts';
import { DiskRoom } from './commit/disk-room.ts';
import { StoringWatch } from './commit/storing-watch.ts';
import { composeIngest, type IngestPorts } from './compose.ts';
import { Lateness } from './http/lateness.ts';
import { startIngestServer } from './http/server.ts';
import { followCertificate, openTls } from './http/tls/open-tls.ts';
import { verifiedClient } from './http/tls/verified-client.ts';
import { BodyRooms } from './limits/body-rooms.ts';
import { openLimits } from './limits/open-limits.ts';
import type { IngestMetrics } from './metrics.ts';
import { ingestSettings, type IngestSettings } from './settings.ts';
import { openProducers } from './producers/open-producers.ts';
import { openValidation } from './validation/open-validation.ts';
import { shareOf } from './workers/worker-count.ts';

/** A full lane has room again below this part of its limit, so that readiness does not flap. */
const ROOM_AGAIN = 0.95;

/** Starts ingest: events come in by HTTP, chunks go to Redis. */
export async function startIngest(context: ServiceContext): Promise<void> {
  const { args, config, inForce, log, clock, registry, readiness, shutdown, signal } = context;
  const tls = openTls(context);
  const tracing = await openTracing(context);
  const redis = await openRedis(context);
  registerFailoverMetrics(registry, redis);
  const settings = inForce.settings((config) => ingestSettings(shareOf(config, args.workerOf ?? 1), redis));
  const commands = redis.port(redis.commands);
  await announceLanes(settings.sinkName, settings.lanes, {
    redis: commands,
    readiness,
    clock,
    random: Math.random,
    signal,
  });

  const failures = new FailureReporter(
    { log, clock },
    { name: 'storing a chunk', failing: 'storing a chunk fails; it is retried', working: null },
  );
  const disk = watchDisk(context);
  let storing: StoringWatch | null = null;
  const lateness = new Lateness(registry, () => clock.monotonicMs());
  const ingest = composeIngest(
    {
      connect: () => {
        const connection = redis.connect('append', { commandTimeoutMs: settings.appendTimeoutMs });
        inForce.onChange(() => limitCommands(connection, settings.appendTimeoutMs));
        shutdown.add('append connection', async () => connection.disconnect());
        return redis.port(connection);
      },
      clock: { ...clock, ...timersOf(lateness) },
      registry,
      newUid: () => randomBytes(8).toString('hex'),
      fingerprint,
      failed: (err, trace) => {
        failures.failed({ err, ...trace });
        storing?.failed(err);
      },
      crash: (error) => context.fail(error),
      hasDiskRoom: () => disk.hasRoom(),
      isLate: () => lateness.isLate,
      tracing,
    },
    settings,
  );
  shutdown.add('group commit', () => ingest.stop());
  storing = watchStoring(ingest.metrics, redis, settings, readiness);
  const watching = watchLanes(context, redis, settings, storing);
  shutdown.add('redis watch', () => watching);

  ingest.metrics.knowRoutes(config.routes);
  const producers = openProducers(context, ingest.metrics.producers, (req) => verifiedClient(req));
  const server = await startIngestServer(
    {
      ...ingest,
      lateness,
      readiness,
      asked: { sameService: args.parentReady === null ? [] : [args.parentReady], others: args.alsoReady },
      middleware: [],
      producers,
      limiter: openLimits(context, redis.port(redis.commands), settings, () => producers.list),
      bodyRooms: new BodyRooms(settings, () => producers.list.length),
      validation: await openValidation(context),
      router: openRouter(
        config,
        inForce.settings(({ scheduledIntervalMs }) => ({ scheduledIntervalMs })),
        (route) => ingest.metrics.filterFailed(route),
      ),
      sharedPort: args.workerOf !== null,
      tracing,
      tls,
      clock,
      log,
    },
    settings,
  );
  shutdown.add('http', () => server.close());
  inForce.onChange(() => server.settingsChanged());
  followCertificate(context, tls, () => server.certificateReplaced());
  log.info({ port: server.port, durability: settings.barrier }, 'taking events');
}

/** The supervisor names the floor when it runs Redis on this disk. */
function watchDisk({ config, clock, readiness, shutdown, signal }: ServiceContext): DiskRoom {
  const floorBytes = Number(readEnvironment()['SINK_DISK_FLOOR'] ?? 0);
  const disk = new DiskRoom(join(config.dataDir, 'redis'), floorBytes, { clock, readiness });
  if (floorBytes > 0) {
    const watching = disk.watchUntil(signal);
    shutdown.add('disk watch', () => watching);
  }
  return disk;
}

function lanesOf(redis: ServiceRedis, { sinkName, lanes }: IngestSettings): IngestLane[] {
  const commands = redis.port(redis.commands);
  return Array.from({ length: lanes }, (_, number) => new IngestLane(commands, sinkName, number));
}

function watchStoring(
  metrics: IngestMetrics,
  redis: ServiceRedis,
  settings: IngestSettings,
  readiness: Readiness,
): StoringWatch {
  const lanes = lanesOf(redis, settings);
  const enough = settings.backlogBytesMax * ROOM_AGAIN;
  return new StoringWatch({
    readiness,
    counts: () => metrics.storing,
    tryStoring: async () => {
      for (const lane of lanes) {
        await lane.tryStoring();
        assertReached(await lane.reached(settings.barrier), 'storing');
      }
      await redis.requirePermissions();
    },
    roomAgain: async () => {
      const bytes = await Promise.all(lanes.map((lane) => lane.backlogBytes()));
      return bytes.every((inLane) => inLane <= enough);
    },
  });
}

/** Makes ingest unready while it can store nothing: a load balancer then prefers a replica that can. */
async function watchLanes(
  { clock, readiness, signal }: ServiceContext,
  redis: ServiceRedis,
  settings: IngestSettings,
  storing: StoringWatch,
): Promise<void> {
  const lanes = lanesOf(redis, settings);
  while (!signal.aborted) {
    try {
      const problems = await Promise.all(lanes.map((lane) => lane.unusable()));
      readiness.set('redis', null);
      readiness.set('lanes', problems.find((problem) => problem !== null) ?? null);
      await storing.round();
    } catch (error) {
      const reason = error instanceof RedisRefused ? error.message : 'Redis does not answer';
      readiness.set('redis', `${reason}; events are held, then refused with 503`);
    }
    await clock.sleep(settings.readinessEveryMs, signal);
  }
}

function timersOf(lateness: Lateness): Pick<IngestPorts['clock'], 'soon' | 'after'> {
  return {
    // While ingest is late, the loop first reads which clients have left: their events are not stored.
    soon: (callback) => void setImmediate(lateness.isLate ? () => void setImmediate(callback) : callback),
    // A deadline that the loop reaches late comes before the answers that wait to be read: those count first.
    after: (ms, callback) => {
      let late: NodeJS.Immediate | null = null;
      const timer = setTimeout(() => {
        if (lateness.isLate) late = setImmediate(callback);
        else callback();
      }, ms);
      return () => {
        clearTimeout(timer);
        if (late !== null) clearImmediate(late);
      };
    },
  };
}
