import type { ConnectionOptions } from 'node:tls';
import type { RedisSettings, RedisTls } from '@sink/config';
import { assertNever, type Backoff, backoffMs } from '@sink/domain';
import { Cluster, type NatMap, Redis, type RedisOptions } from 'ioredis';

/**
 * The use of a connection.
 * `append`, `commands`: no resending, no retries, no offline queue. A call is answered within its timeout, or is in
 * doubt. `blocking`: the same, for blocking reads. `queue`: as BullMQ needs it.
 */
export type ConnectionRole = 'append' | 'commands' | 'blocking' | 'queue';

export interface ConnectOptions {
  /** Gets every error of the connection, which always reconnects. */
  readonly onError: (error: Error) => void;
  /** Returns the settings as they are now, before each further connection; default: those of the first. */
  readonly current?: () => RedisSettings;
  /**
   * The time limit of one call; default 2 s for `append`, otherwise 5 s. For `blocking` it must be longer than the
   * reads block. No effect for `queue`.
   */
  readonly commandTimeoutMs?: number;
  /** The name of the connection in CLIENT LIST; default `sink:<role>`. */
  readonly name?: string;
}

const RECONNECT: Backoff = { baseMs: 50, capMs: 1_000, floorMs: 25 };
const CONNECT_TIMEOUT_MS = 3_000;
const APPEND_TIMEOUT_MS = 2_000;
const COMMAND_TIMEOUT_MS = 5_000;
/** A blocking read whose answer is later than this resolves to null. */
const BLOCKING_GRACE_MS = 2_000;
/** A connection that is silent for so long while an answer is due counts as broken. BullMQ blocks for 10 s at most. */
const QUEUE_SILENCE_MS = 30_000;
/** The time from the timeout of a call until its silent connection counts as broken. */
const SILENCE_AFTER_TIMEOUT_MS = 500;
const SLOTS_REFRESH_TIMEOUT_MS = 3_000;

/** Replies have the types of RESP2. */
type Options = Omit<RedisOptions, 'replyMapping'>;

/** Opens a connection. It can be used when it is ready, and reconnects with a capped backoff whenever it is lost. */
export function connectRedis(settings: RedisSettings, role: ConnectionRole, options: ConnectOptions): Redis | Cluster {
  const { current = () => settings } = options;
  const connection = open(settings, current, {
    ...common,
    // ioredis calls it on the options of the connection, also of one that BullMQ duplicated.
    retryStrategy(this: RedisOptions, attempt: number) {
      Object.assign(this, changing(current()));
      return reconnectWaitMs(attempt);
    },
    ...roleOptions(role, options.commandTimeoutMs),
    connectionName: options.name ?? `sink:${role}`,
  });
  connection.on('error', options.onError);
  return connection;
}

function open(settings: RedisSettings, current: () => RedisSettings, options: Options): Redis | Cluster {
  const { target, tls, natMap } = settings;
  switch (target.kind) {
    case 'single':
    case 'socket':
      return new Redis(withCurrent(options, settings));
    case 'sentinel':
      return new Redis({
        ...withCurrent(options, settings),
        name: target.masterName,
        sentinels: target.sentinels.map((node) => ({ ...node })),
        sentinelRetryStrategy(this: RedisOptions, attempt: number) {
          Object.assign(this, changing(current()));
          return reconnectWaitMs(attempt);
        },
        sentinelCommandTimeout: COMMAND_TIMEOUT_MS,
        natMap: copyOf(natMap),
      });
    case 'cluster': {
      const cluster = new Cluster(
        target.nodes.map((node) => ({ ...node })),
        {
          redisOptions: withCurrent(options, settings),
          clusterRetryStrategy: (attempt) => {
            renewNodes(cluster, current());
            return reconnectWaitMs(attempt);
          },
          slotsRefreshTimeout: SLOTS_REFRESH_TIMEOUT_MS,
          enableOfflineQueue: options.enableOfflineQueue ?? true,
          natMap: copyOf(natMap),
          // Certificates contain host names, so with TLS ioredis must not resolve them first.
          ...(tls === null ? {} : { dnsLookup: (address, callback) => callback(null, address) }),
        },
      );
      for (const event of ['-node', 'node error']) cluster.on(event, () => renewNodes(cluster, current()));
      return cluster;
    }
    default:
      return assertNever(target);
  }
}

const common: Options = {
  connectTimeout: CONNECT_TIMEOUT_MS,
  keepAlive: 10_000,
  reconnectOnError: (error) => isFailover(error),
};

/** The options with those that files can change. */
function withCurrent(options: Options, settings: RedisSettings): Options {
  const all = { ...options };
  Object.assign(all, changing(settings));
  return all;
}

/**
 * The options that files of the configuration can change, each with a value, so that they overwrite earlier ones. ioredis
 * reads them at each new connection.
 */
function changing({ target, username, password, db, tls }: RedisSettings): object {
  const options = { username, password, db, tls: tls === null ? undefined : tlsOptions(tls) };
  switch (target.kind) {
    case 'single':
      return { ...options, host: target.host, port: target.port, path: undefined };
    case 'socket':
      return { ...options, path: target.path };
    case 'sentinel':
      return {
        ...options,
        sentinelUsername: target.username,
        sentinelPassword: target.password,
        // TLS to the master needs the first option, TLS to the Sentinels the second.
        enableTLSForSentinelMode: tls !== null,
        sentinelTLS: target.tls ? tlsOptions(tls ?? { verify: true }) : undefined,
      };
    case 'cluster':
      return options;
  }
}

/** Gives the calls of a connection another time limit, from the next one on: ioredis reads it at each call. */
export function limitCommands(connection: Redis | Cluster, commandTimeoutMs: number): void {
  const fresh = timeLimits(commandTimeoutMs);
  if (connection instanceof Cluster) assignToNodes(connection, fresh);
  else Object.assign(connection.options, fresh);
}

function renewNodes(cluster: Cluster, settings: RedisSettings): void {
  assignToNodes(cluster, changing(settings));
}

/** ioredis makes the connections to further nodes with a copy of the options, which its pool keeps to itself. */
function assignToNodes(cluster: Cluster, fresh: object): void {
  const pool: unknown = Reflect.get(cluster, 'connectionPool');
  const copy: unknown = typeof pool === 'object' && pool !== null ? Reflect.get(pool, 'redisOptions') : undefined;
  for (const options of [cluster.options.redisOptions, copy, ...cluster.nodes('all').map((node) => node.options)]) {
    if (typeof options === 'object' && options !== null) Object.assign(options, fresh);
  }
}

/**
 * After a failover the old master answers READONLY and ends blocking reads with UNBLOCKED. The connection then
 * reconnects to the new master. It resends nothing; the caller repeats the call with the same sequence number.
 */
function isFailover(error: Error): boolean {
  return /^(READONLY|UNBLOCKED|MASTERDOWN)\b/.test(error.message);
}

export function tlsOptions(tls: RedisTls): ConnectionOptions {
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

/** Without resending but with retries, a call would never settle after its connection was lost, so both are off. */
function onceOptions(commandTimeoutMs: number): Options {
  return {
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    ...timeLimits(commandTimeoutMs),
  };
}

function timeLimits(commandTimeoutMs: number): Pick<Options, 'commandTimeout' | 'socketTimeout'> {
  return {
    commandTimeout: commandTimeoutMs,
    // Without this, a connection whose packets are dropped stays in use until TCP closes it after about 15 minutes.
    socketTimeout: commandTimeoutMs + SILENCE_AFTER_TIMEOUT_MS,
  };
}

/** With jitter, so that many clients do not reconnect at the same moment. */
export function reconnectWaitMs(attempt: number): number {
  return backoffMs(attempt, RECONNECT, Math.random());
}

/** A copy for ioredis, because the configuration is frozen. */
function copyOf(natMap: RedisSettings['natMap']): NatMap {
  return Object.fromEntries(Object.entries(natMap).map(([from, to]) => [from, { ...to }]));
}
