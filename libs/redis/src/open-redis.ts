import type { RedisSettings } from '@sink/config';
import { type Backoff, backoffMs } from '@sink/domain';
import { IoredisPort } from '@sink/lane';
import { type Clock, type FailureLog, FailureReporter, type Readiness, type ServiceContext } from '@sink/runtime';
import type { Cluster, Redis } from 'ioredis';
import { connectRedis, type ConnectionRole, type ConnectOptions } from './connect.ts';
import { ConnectionTrouble } from './connection-trouble.ts';
import { CurrentSettings } from './current-settings.ts';
import { examineRedis, type RedisExamination } from './examine.ts';
import { Failovers } from './failover/failovers.ts';
import { forbidden } from './permissions.ts';
import { operatorProblem, type RedisProblem, RedisUnfit, type Requirements } from './requirements.ts';

/** How long one write waits for its durability before it is repeated. */
const DURABILITY_TIMEOUT_MS = 1_000;
/** The first try usually comes before the connection is open. */
const RETRY: Backoff = { baseMs: 10, capMs: 500, floorMs: 10 };
/** Redis may be missing this long before the log reports it, and between two lines. */
const LOG_EVERY_MS = 5_000;

/** The Redis of one service, examined. */
export interface ServiceRedis {
  /** The service's own connection for commands; it closes when the service stops. */
  readonly commands: Redis | Cluster;
  /** Opens a further connection, which the caller closes. Its errors go to the log. */
  readonly connect: (role: ConnectionRole, options?: Omit<ConnectOptions, 'onError'>) => Redis | Cluster;
  /** One of these connections as lanes use it. */
  readonly port: (connection: Redis | Cluster) => IoredisPort;
  /** What a failover loses, as it was at start. */
  readonly topology: RedisExamination['topology'];
  /** How many replicas have every acknowledged write; null: unknown, or no Sentinels watch. */
  readonly replicasInSync: () => number | null;
  /** Tries again what the start tried. @throws RedisUnfit while this user may not run what the services need */
  readonly requirePermissions: () => Promise<void>;
  /** What a write waits for before it counts as durable (a `DurabilityBarrier` of libs/lane). */
  readonly barrier: { readonly waitaof: boolean; readonly replicas: number; readonly timeoutMs: number };
  /** What the sink may store in Redis, over all lanes, receipts not counted. */
  readonly backlogBytesMax: number;
}

/**
 * Connects a service to the Redis of its configuration, waits until it answers, and examines it.
 * @throws RedisUnfit; Error when no Redis is configured; the reason of the context's signal when it aborts
 */
export async function openRedis(context: ServiceContext): Promise<ServiceRedis> {
  const { clock, config, log, shutdown } = context;
  const settings = new CurrentSettings(config, context);
  const current = (): RedisSettings => settings.now();
  const { target } = current();
  const failovers = target.kind === 'sentinel' ? new Failovers(current, target, { log, clock }) : null;
  if (failovers) shutdown.add('sentinels', async () => failovers.close());
  const connect: ServiceRedis['connect'] = (role, options = {}) => {
    const onError: ConnectOptions['onError'] = (err) => log.debug({ err }, 'redis connection');
    const connection = connectRedis(current(), role, { ...options, current, onError });
    failovers?.follow(connection);
    return connection;
  };
  const commands = connect('commands');
  shutdown.add('redis', async () => commands.disconnect());
  const { features, backlogBytesMax, topology } = await awaitRedis(commands, config, context);
  reportTrouble(commands, context);
  const barrier = {
    waitaof: config.durability === 'fsync' && features.waitaof,
    replicas: config.replicas,
    timeoutMs: DURABILITY_TIMEOUT_MS,
  };
  const requirePermissions = async (): Promise<void> => {
    const problem = await forbidden(commands, config.sinkName, config);
    if (problem !== null) throw new RedisUnfit([problem]);
  };
  const port: ServiceRedis['port'] = (connection) => new IoredisPort(connection, failovers?.inSync(connection));
  const replicasInSync = (): number | null => failovers?.inSyncCount ?? null;
  return { commands, connect, port, topology, replicasInSync, requirePermissions, barrier, backlogBytesMax };
}

/** Shows what keeps the connection from being ready and needs an operator, such as a password that is no longer right. */
function reportTrouble(redis: Redis | Cluster, { log, clock, readiness }: ServiceContext): void {
  const reporter = new FailureReporter(
    { log, clock, readiness },
    { name: 'redis connection', failing: 'the connection to Redis needs an operator; it is tried again every second' },
  );
  const trouble = new ConnectionTrouble(redis, () => {
    const { problem } = trouble;
    if (problem === null) reporter.succeeded();
    else reporter.failed({ found: problem.found, remedy: problem.remedy }, { problem: problemText(problem) });
  });
}

export interface AwaitRedisPorts {
  readonly log: FailureLog;
  readonly readiness: Pick<Readiness, 'set'>;
  readonly clock: Pick<Clock, 'sleep' | 'monotonicMs'>;
  readonly signal: AbortSignal;
}

/**
 * Waits without limit until Redis answers, and examines it. An unfit Redis and a refused login end the start at once,
 * because they need an operator.
 * @throws RedisUnfit; the reason of `signal` when it aborts
 */
export async function awaitRedis(
  redis: Redis | Cluster,
  required: Requirements,
  ports: AwaitRedisPorts,
): Promise<RedisExamination> {
  const { clock, log, readiness, signal } = ports;
  // A call that finds no connection fails without a reason. The connection's own error has it.
  const trouble = new ConnectionTrouble(redis);
  try {
    const waiting = new FailureReporter(
      { log, clock, readiness },
      {
        name: 'redis',
        failing: 'waiting for redis',
        working: null,
        logEveryMs: LOG_EVERY_MS,
        logAfterMs: LOG_EVERY_MS,
      },
    );
    for (let attempt = 1; ; attempt++) {
      signal.throwIfAborted();
      try {
        const examination = await examineRedis(redis, required);
        waiting.succeeded();
        for (const warning of examination.warnings) log.warn({ warning }, 'redis');
        log.info({ ...examination }, 'redis is fit');
        return examination;
      } catch (error) {
        if (error instanceof RedisUnfit) throw error;
        const reason = reasonOf(error, trouble.lastError);
        const fatal = operatorProblem(reason);
        if (fatal) throw new RedisUnfit([fatal], { cause: reason });
        // A problem of TLS may also be one of Redis, which is starting anew with another certificate.
        const { problem } = trouble;
        waiting.failed(
          { reason: reason.message, ...(problem === null ? {} : { remedy: problemText(problem) }) },
          { problem: problem === null ? `Redis does not answer: ${reason.message}` : problemText(problem) },
        );
      }
      await clock.sleep(backoffMs(attempt, RETRY, Math.random()), signal);
    }
  } finally {
    trouble.end();
  }
}

function problemText({ found, remedy }: RedisProblem): string {
  return `${found}: ${remedy}`;
}

function reasonOf(error: unknown, connectionError: Error | null): Error {
  const isReply = error instanceof Error && error.name === 'ReplyError';
  if (!isReply && connectionError !== null) return connectionError;
  return error instanceof Error ? error : new Error(String(error));
}
