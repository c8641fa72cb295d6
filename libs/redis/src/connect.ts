import type { ConnectionOptions } from 'node:tls';
import type { RedisSettings, RedisTls } from '@sink/config';
import { assertNever, type Backoff, backoffMs } from '@sink/domain';
import { Cluster, type NatMap, Redis, type RedisOptions } from 'ioredis';

/**
 * What a connection is for.
 * `append`, `commands`: no resending, no retries, no offline queue: a call answers, or is in doubt within its timeout.
 * `blocking`: the same, for reads that wait. `queue`: as BullMQ needs it.
 */
export type ConnectionRole = 'append' | 'commands' | 'blocking' | 'queue';

export interface ConnectOptions {
  /** Told every error of the connection; it reconnects by itself, for ever. */
  readonly onError: (error: Error) => void;
  /**
   * How long a call may go without an answer; default 2 s for appends, else 5 s. For `blocking` it has to be longer
   * than the reads wait. Without effect for `queue`.
   */
  readonly commandTimeoutMs?: number;
  /** How the connection is called in CLIENT LIST; default `sink:<role>`. */
  readonly name?: string;
}

const RECONNECT: Backoff = { baseMs: 50, capMs: 1_000, floorMs: 25 };
const CONNECT_TIMEOUT_MS = 3_000;
const APPEND_TIMEOUT_MS = 2_000;
const COMMAND_TIMEOUT_MS = 5_000;
/** A blocking read whose answer is this late is given up (and answered with null). */
const BLOCKING_GRACE_MS = 2_000;
/** A connection that owes an answer and says nothing is dead, even if nobody closed it: BullMQ waits 10 s at most. */
const QUEUE_SILENCE_MS = 30_000;
/** How much later than its call's timeout a silent connection is given up. */
const SILENCE_AFTER_TIMEOUT_MS = 500;
const SLOTS_REFRESH_TIMEOUT_MS = 3_000;

/** Replies keep the shapes of RESP2. */
type Options = Omit<RedisOptions, 'replyMapping'>;

/** Opens a connection; it is usable as soon as it is ready, and reconnects with a capped wait whenever it is lost. */
export function connectRedis(settings: RedisSettings, role: ConnectionRole, options: ConnectOptions): Redis | Cluster {
  const connection = open(settings, {
    ...common(settings),
    ...roleOptions(role, options.commandTimeoutMs),
    connectionName: options.name ?? `sink:${role}`,
  });
  connection.on('error', options.onError);
  return connection;
}

function open({ target, tls, natMap }: RedisSettings, options: Options): Redis | Cluster {
  switch (target.kind) {
    case 'single':
      return new Redis({ ...options, host: target.host, port: target.port });
    case 'socket':
      return new Redis({ ...options, path: target.path });
    case 'sentinel':
      return new Redis({
        ...options,
        name: target.masterName,
        sentinels: target.sentinels.map((node) => ({ ...node })),
        sentinelRetryStrategy: reconnectWaitMs,
        sentinelCommandTimeout: COMMAND_TIMEOUT_MS,
        ...(target.username === undefined ? {} : { sentinelUsername: target.username }),
        ...(target.password === undefined ? {} : { sentinelPassword: target.password }),
        // Two switches: TLS to the master needs the first, TLS to the Sentinels the second.
        ...(tls === null ? {} : { enableTLSForSentinelMode: true }),
        ...(target.tls ? { sentinelTLS: tlsOptions(tls ?? { verify: true }) } : {}),
        natMap: copyOf(natMap),
      });
    case 'cluster':
      return new Cluster(
        target.nodes.map((node) => ({ ...node })),
        {
          redisOptions: options,
          clusterRetryStrategy: reconnectWaitMs,
          slotsRefreshTimeout: SLOTS_REFRESH_TIMEOUT_MS,
          enableOfflineQueue: options.enableOfflineQueue ?? true,
          natMap: copyOf(natMap),
          // A certificate names hosts: with TLS they are not resolved before the connection.
          ...(tls === null ? {} : { dnsLookup: (address, callback) => callback(null, address) }),
        },
      );
    default:
      return assertNever(target);
  }
}

function common({ username, password, db, tls }: RedisSettings): Options {
  return {
    db,
    connectTimeout: CONNECT_TIMEOUT_MS,
    keepAlive: 10_000,
    retryStrategy: reconnectWaitMs,
    reconnectOnError: (error) => isFailover(error),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === null ? {} : { tls: tlsOptions(tls) }),
  };
}

/**
 * After a failover the old master answers READONLY, and wakes blocked readers with UNBLOCKED: connect anew, to whoever
 * is master now. Nothing is resent; the caller repeats, by sequence.
 */
function isFailover(error: Error): boolean {
  return /^(READONLY|UNBLOCKED|MASTERDOWN)\b/.test(error.message);
}

function tlsOptions(tls: RedisTls): ConnectionOptions {
  return {
    rejectUnauthorized: tls.verify,
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
    ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
  };
}

function roleOptions(role: ConnectionRole, commandTimeoutMs?: number): Options {
  switch (role) {
    case 'append':
      return onceOptions(commandTimeoutMs ?? APPEND_TIMEOUT_MS);
    case 'commands':
      return onceOptions(commandTimeoutMs ?? COMMAND_TIMEOUT_MS);
    case 'blocking': {
      const timeoutMs = commandTimeoutMs ?? COMMAND_TIMEOUT_MS;
      return { ...onceOptions(timeoutMs), blockingTimeout: timeoutMs, blockingTimeoutGrace: BLOCKING_GRACE_MS };
    }
    case 'queue':
      return { maxRetriesPerRequest: null, socketTimeout: QUEUE_SILENCE_MS };
    default:
      return assertNever(role);
  }
}

/** With resending off and retries left on, a call would never settle after a cut: both are off. */
function onceOptions(commandTimeoutMs: number): Options {
  return {
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    commandTimeout: commandTimeoutMs,
    // The timeout alone leaves a blackholed connection in use until TCP gives up, a quarter of an hour later.
    socketTimeout: commandTimeoutMs + SILENCE_AFTER_TIMEOUT_MS,
  };
}

/** With jitter, so that many clients do not reconnect at the same moment. */
function reconnectWaitMs(attempt: number): number {
  return backoffMs(attempt, RECONNECT, Math.random());
}

/** ioredis gets objects of its own: the configuration is frozen. */
function copyOf(natMap: RedisSettings['natMap']): NatMap {
  return Object.fromEntries(Object.entries(natMap).map(([from, to]) => [from, { ...to }]));
}
