import { randomBytes } from 'node:crypto';
import { fingerprint } from '@sink/cloudevents';
import { IngestLane, IoredisPort, RedisRefused } from '@sink/lane';
import { openRedis } from '@sink/redis';
import { FailureReporter, type ServiceContext } from '@sink/runtime';
import { announceLanes } from './commit/announce-lanes.ts';
import { FingerprintAppender, RoundRobinAppender } from './commit/appender.ts';
import { GroupCommit, type GroupCommitClock } from './commit/group-commit.ts';
import { LaneWriter } from './commit/lane-writer.ts';
import { startIngestServer } from './http/server.ts';
import { shareOf } from './workers/worker-count.ts';

/** Appends in flight per lane: one, and another for full chunks and for what waits behind a slow one (GroupCommit). */
const WRITERS_PER_LANE = 2;
/** The wait before a chunk is offered again, in milliseconds, while Redis is away or full. */
const RETRY_WAIT_MS = 100;
const READINESS_EVERY_MS = 2_000;

/** Starts ingest: HTTP in, chunks out. */
export async function startIngest(context: ServiceContext): Promise<void> {
  const { args, config, log, clock, registry, readiness, shutdown, signal } = context;
  const { commands, connect, barrier: durability, backlogBytesMax } = await openRedis(context);
  const port = new IoredisPort(commands);
  await announceLanes(config.sinkName, config.lanes, { redis: port, readiness, clock, signal });

  const problems = new FailureReporter(
    { log, clock },
    { name: 'storing a chunk', failing: 'storing a chunk fails; it is retried', working: null, logEveryMs: 1_000 },
  );
  let duplicates = 0;
  const dedupe =
    config.dedupeWindowMs === 0
      ? null
      : {
          windowMs: config.dedupeWindowMs,
          fingerprintsMax: config.maxFingerprints,
          fingerprint,
          onDuplicates: (events: number) => (duplicates += events),
        };
  const options = {
    durability,
    dedupe,
    backlogBytesMax: Math.floor(backlogBytesMax / config.lanes),
    retryWaitMs: RETRY_WAIT_MS,
    newUid: () => randomBytes(8).toString('hex'),
    onProblem: (err: Error) => problems.failed({ err }),
  };
  const commits = Array.from({ length: config.lanes }, (_, number) => {
    const writers = Array.from({ length: WRITERS_PER_LANE }, () => {
      const connection = connect('append');
      shutdown.add('append connection', async () => connection.disconnect());
      return new LaneWriter(new IngestLane(new IoredisPort(connection), config.sinkName, number), clock, options);
    });
    return new GroupCommit(writers, groupCommitClock, config, (error) => context.fail(error));
  });
  shutdown.add('group commit', async () => {
    await Promise.all(commits.map((commit) => commit.stop()));
  });

  const lanes = commits.map((_, number) => new IngestLane(port, config.sinkName, number));
  const watching = watchLanes(context, lanes);
  shutdown.add('redis watch', () => watching);
  const server = await startIngestServer({
    config: shareOf(config, args.workerOf ?? 1),
    sharedPort: args.workerOf !== null,
    appender:
      dedupe !== null && commits.length > 1
        ? new FingerprintAppender(commits, fingerprint)
        : new RoundRobinAppender(commits),
    duplicateEvents: () => duplicates,
    readiness,
    alsoReady: args.alsoReady,
    middleware: [],
    registry,
    clock,
    log,
  });
  shutdown.add('http', () => server.close());
  server.metrics.restsOn({ ...durability, durability: config.durability });
  log.info({ port: server.port, durability }, 'taking events');
}

/** Not ready while nothing can be stored: a load balancer then prefers a replica that can. */
async function watchLanes({ clock, readiness, signal }: ServiceContext, lanes: readonly IngestLane[]): Promise<void> {
  while (!signal.aborted) {
    try {
      const problems = await Promise.all(lanes.map((lane) => lane.unusable()));
      readiness.set('redis', null);
      readiness.set('lanes', problems.find((problem) => problem !== null) ?? null);
    } catch (error) {
      const reason = error instanceof RedisRefused ? error.message : 'Redis does not answer';
      readiness.set('redis', `${reason}; events are held, then refused with 503`);
    }
    await clock.sleep(READINESS_EVERY_MS, signal);
  }
}

const groupCommitClock: GroupCommitClock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  soon: (callback) => void setImmediate(callback),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};
