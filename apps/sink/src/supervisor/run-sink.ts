import { join } from 'node:path';
import {
  ConfigError,
  type ConfigInForce,
  describeConfigFile,
  type Environment,
  type RedisSettings,
  type SinkConfig,
} from '@sink/config';
import {
  createLogger,
  EXIT_FAILED,
  EXIT_OK,
  hasControllingTerminal,
  type Logger,
  systemClock,
  transientStorage,
  trimHeap,
} from '@sink/runtime';
import { announcement, announcementText, takingText } from './announcement.ts';
import { lockDataDirectory, type LockTimes } from '../own-redis/data-lock.ts';
import type { DiskPlan } from '../own-redis/disk-plan.ts';
import { DiskWatch } from '../own-redis/disk-watch.ts';
import type { DataLock } from '../own-redis/held-lock.ts';
import { type OwnRedis, startOwnRedis } from '../own-redis/own-redis.ts';
import { describeLowered, planVolume } from '../own-redis/volume.ts';
import { StartError } from '../start-error.ts';
import { followConfig } from './follow-config.ts';
import { awaitFreePorts } from './tcp-ports.ts';
import type { ProgramOf } from './service-command.ts';
import { stopOrphanedRedis } from '../own-redis/redis-orphan.ts';
import type { EventsLeft } from './left-in-redis.ts';
import { ServiceGroup } from './service-group.ts';
import { aborted, StopSignals } from './stop-signals.ts';

/** How long a port may be taken at start: a sink that was stopped a moment ago needs some time to end. */
const PORT_WAIT_MS = 3_000;
/** How long a question to Redis may take at start and at the end. */
const ANSWER_MAX_MS = 2_000;

export interface SinkOptions {
  /** As it was at the start. */
  readonly config: SinkConfig;
  readonly inForce: ConfigInForce;
  readonly env: Environment;
  /** `--config FILE`, handed on to the services. */
  readonly configArguments: readonly string[];
  readonly programOf: ProgramOf;
  /** Of the lock of data_dir. Default: LOCK_TIMES. */
  readonly lockTimes?: LockTimes;
}

/**
 * Runs everything in one: a Redis of its own unless one is configured, and the three services as child processes. Keeps
 * them running until SIGTERM, SIGINT or the end of its terminal (SIGHUP), then stops them in order: ingest, batcher,
 * uploader, Redis. Without a terminal, SIGHUP has it read the configuration file again.
 *
 * Resolves to the exit code: 0 when every process stopped by itself within `stopGraceMs`, 1 when one had to be killed,
 * 78 when a service found its configuration wrong, 130 after a second Ctrl-C.
 * @throws StartError when the sink cannot start; then none of its processes runs
 */
export async function runSink(options: SinkOptions): Promise<number> {
  const { config, env } = options;
  const log = createLogger({
    service: 'sink',
    level: config.logLevel,
    format: config.logFormat,
    secrets: config.secrets,
  });
  log.info(describeConfigFile(config.configFile));
  const signals = new StopSignals(systemClock, log);
  // The file is looked at when the services run.
  if (!hasControllingTerminal()) signals.onHangup = () => undefined;
  const redisDirectory = join(config.dataDir, 'redis');
  const transient = config.redis === null ? transientStorage(redisDirectory) : null;
  if (transient !== null) log.warn(`accepted events are in Redis only, until they are uploaded: ${transient}`);
  // The sink locks the directory only for a Redis of its own: with a shared Redis, several sinks may spool in it.
  const lock = config.redis === null ? await lockFor(options, redisDirectory, log, signals.stop) : null;
  if (config.redis === null && lock === null) return EXIT_OK;
  let inOrder = true;
  const ended = new AbortController();
  try {
    await awaitPorts(config, lock?.predecessorDied === true, signals.stop);
    const plan = config.redis === null ? planVolume(config) : null;
    if (plan !== null && plan.problems.length > 0) throw new ConfigError(plan.problems);
    const lowered = plan === null ? null : describeLowered(plan);
    if (lowered !== null) log.warn({ ...plan?.environment }, lowered);
    const redis = lock === null ? null : await startRedis(options, redisDirectory, { lock, plan }, log, signals.stop);
    if (lock !== null && redis !== null && plan !== null) {
      await watchDisk(config, redis, { lock, plan, log }, { stop: signals.stop, ended: ended.signal });
    }
    if (signals.stop.aborted) {
      await redis?.stop(config.stopGraceMs);
      return EXIT_OK;
    }
    if (redis !== null && lock?.predecessorDied === true) await takeOverAtOnce(redis.url, config, log);
    const floor = plan === null ? {} : { SINK_DISK_FLOOR: String(plan.floorBytes) };
    const planned = { ...options, env: { ...env, ...plan?.environment, ...floor } };
    // What a small volume is divided by stays.
    if (plan?.isSmall === true) options.inForce.keepUntilRestart(['max_body_bytes']);
    const outcome = await runServices(
      planned,
      { redis, lost: lock?.lost ?? new AbortController().signal },
      log,
      signals,
    );
    inOrder = outcome.inOrder;
    return outcome.exitCode;
  } finally {
    ended.abort();
    lock?.release(inOrder ? 'in order' : 'killed');
  }
}

/**
 * For a moment when no batcher of the sink's own Redis is alive. Without this, the leases of those that were killed would
 * delay the next one, also when it stops soon.
 */
async function takeOverAtOnce(url: string, config: SinkConfig, log: Logger): Promise<void> {
  try {
    const { endLeases, ownRedisSettings } = await import('./left-in-redis.ts');
    await endLeases(ownRedisSettings(url), config, ANSWER_MAX_MS);
  } catch (err) {
    log.warn({ err }, 'the work of the batchers that were killed is taken over when their leases end');
  }
}

async function startRedis(
  { config, env }: SinkOptions,
  directory: string,
  { lock, plan }: { readonly lock: DataLock; readonly plan: DiskPlan | null },
  log: Logger,
  signal: AbortSignal,
): Promise<OwnRedis | null> {
  await stopOrphanedRedis(directory, systemClock, log);
  if (signal.aborted) return null;
  const rewritesByItself = plan?.isSmall !== true;
  const { redisPort: port } = config;
  return startOwnRedis({ directory, port, rewritesByItself, env, lock, clock: systemClock, log, signal });
}

/** Null when a signal ends the wait for it. */
function lockFor(
  { config, lockTimes }: SinkOptions,
  redisDirectory: string,
  log: Logger,
  stop: AbortSignal,
): Promise<DataLock | null> {
  return lockDataDirectory(join(redisDirectory, 'sink.lock'), {
    clock: systemClock,
    log,
    signal: stop,
    stopLeftovers: async () => {
      await awaitPorts(config, true, stop);
      await stopOrphanedRedis(redisDirectory, systemClock, log);
    },
    ...(lockTimes === undefined ? {} : { times: lockTimes }),
  });
}

function awaitPorts(config: SinkConfig, predecessorDied: boolean, signal: AbortSignal): Promise<void> {
  const waitMs = predecessorDied ? config.stopGraceMs + PORT_WAIT_MS : PORT_WAIT_MS;
  return awaitFreePorts(config, { waitMs, clock: systemClock, signal });
}

/**
 * Keeps Redis' file within the volume until `ended`.
 * @throws StartError `disk_full`, after Redis has stopped
 */
async function watchDisk(
  { dataDir, stopGraceMs }: SinkConfig,
  redis: OwnRedis,
  { lock, plan, log }: { readonly lock: DataLock; readonly plan: DiskPlan; readonly log: Logger },
  { stop, ended }: { readonly stop: AbortSignal; readonly ended: AbortSignal },
): Promise<void> {
  const leavesOldFile = lock.predecessorSilent;
  const watch = new DiskWatch({ dataDir, redis: redis.settings, plan, leavesOldFile, clock: systemClock, log });
  try {
    await watch.prepare(stop);
  } catch (error) {
    if (error instanceof StartError) {
      await redis.stop(stopGraceMs);
      throw error;
    }
    log.warn({ err: error }, 'looking at the disk of Redis');
  }
  void watch.runUntil(ended);
}

async function runServices(
  options: SinkOptions,
  { redis, lost }: { readonly redis: OwnRedis | null; readonly lost: AbortSignal },
  log: Logger,
  signals: StopSignals,
): Promise<{ readonly exitCode: number; readonly inOrder: boolean }> {
  const { config, env, inForce } = options;
  const failures: number[] = [];
  const services = new ServiceGroup({
    config,
    inForce,
    configArguments: options.configArguments,
    programOf: options.programOf,
    env: redis === null ? env : { ...env, SINK_REDIS_URL: redis.url },
    lifeline: redis?.lifeline ?? null,
    clock: systemClock,
    log,
    onFatal: (exitCode) => {
      failures.push(exitCode ?? EXIT_FAILED);
      signals.stopNow();
    },
    onExit: (service) => {
      if (service === 'batcher' && redis !== null && !signals.stop.aborted) void takeOverAtOnce(redis.url, config, log);
    },
  });
  services.start();
  await followConfig(inForce, services, { ownsRedis: redis !== null, log, signals });
  const taking = (problems: readonly string[]): void => announce(config, env, log, problems);
  void services.ready(signals.stop, taking).then((ready) => {
    if (!ready) return;
    announce(config, env, log, []);
    trimHeap();
  });

  const stopWhenAsked = async (): Promise<'hurried' | Awaited<ReturnType<typeof stopInOrder>>> => {
    await aborted(signals.stop);
    log.info('stopping: ingest first, then batcher, uploader and Redis');
    const inOrder = stopInOrder(services, redis, config, systemClock.monotonicMs());
    return Promise.race([inOrder, aborted(signals.hurry).then(() => 'hurried' as const)]);
  };
  const lockLost = aborted(lost).then(() => 'lost' as const);
  const outcome = await Promise.race([stopWhenAsked(), lockLost]);
  if (outcome === 'hurried' || outcome === 'lost') {
    const why = outcome === 'lost' ? 'the other sink uploads them' : 'are uploaded after the next start';
    log.warn(`stopped at once: accepted events stay in Redis and ${why}`);
    await Promise.all([services.kill(), redis?.process.kill()]);
    await redis?.stop(0);
    return { exitCode: outcome === 'lost' ? EXIT_FAILED : 130, inOrder: false };
  }
  const left = outcome.left ?? { inRedis: 0, inSpool: 0 };
  const then = redis === null ? 'other instances upload them, or the next start does' : 'the next start uploads them';
  log.info(left, `stopped${staying(left, then)}`);
  return { exitCode: failures[0] ?? (outcome.inOrder ? EXIT_OK : EXIT_FAILED), inOrder: outcome.inOrder };
}

async function stopInOrder(
  services: ServiceGroup,
  redis: OwnRedis | null,
  config: SinkConfig,
  startedMs: number,
): Promise<{ readonly inOrder: boolean; readonly left: EventsLeft | null }> {
  const servicesStopped = await services.stop(startedMs);
  const leftMs = (): number => Math.max(0, startedMs + config.stopGraceMs - systemClock.monotonicMs());
  const left = await eventsLeft(redis?.url ?? null, config, Math.min(ANSWER_MAX_MS, leftMs() / 2));
  const redisStopped = (await redis?.stop(leftMs())) ?? true;
  return { inOrder: servicesStopped && redisStopped, left };
}

/** Null if Redis does not say it in time. */
async function eventsLeft(ownUrl: string | null, config: SinkConfig, timeoutMs: number): Promise<EventsLeft | null> {
  try {
    const { countEventsLeft, ownRedisSettings } = await import('./left-in-redis.ts');
    const settings: RedisSettings | null = ownUrl === null ? config.redis : ownRedisSettings(ownUrl);
    return settings === null ? null : await countEventsLeft(settings, config, timeoutMs);
  } catch {
    return null;
  }
}

/** Events stay when they could not be uploaded in time: S3 is away, or a batcher that was killed still has its lease. */
function staying({ inRedis, inSpool }: EventsLeft, then: string): string {
  const places = [
    { events: inRedis, place: 'Redis' },
    { events: inSpool, place: 'the spool' },
  ].flatMap(({ events, place }) =>
    events === 0 ? [] : [`${events} ${events === 1 ? 'event stays' : 'events stay'} in ${place}`],
  );
  return places.length === 0 ? '' : `; ${places.join(' and ')}: ${then}`;
}

/**
 * Says that everything is ready, or that events are taken in spite of these problems: as text for people on a terminal and
 * under npm, else as a line of the log.
 */
function announce(config: SinkConfig, env: Environment, log: Logger, problems: readonly string[]): void {
  const news = announcement(config, systemClock.wallMs());
  const forPeople = process.stdout.isTTY || env['npm_lifecycle_event'] !== undefined;
  if (forPeople) process.stdout.write(announcementText(news, problems));
  else if (problems.length > 0) log.warn({ ...news, problems }, takingText(news));
  else log.info(news, `ready: post CloudEvents to ${news.post}, objects appear in ${news.objects}`);
}
