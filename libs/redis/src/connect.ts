import type { RedisSettings } from '@sink/config';
import { assertNever } from '@sink/domain';
import { Cluster, Redis, type RedisOptions } from 'ioredis';

/**
 * What a connection is for.
 * `append`, `commands`: no resending, no retries, no offline queue: a call answers, or is in doubt within its timeout.
 * `blocking`: the same, for reads that wait. `queue`: as BullMQ needs it.
 */
export type ConnectionRole = 'append' | 'commands' | 'blocking' | 'queue';

export interface ConnectOptions {
  /** Told every error of the connection; it reconnects by itself, for ever. */
  readonly onError: (error: Error) => void;
  /** How long a call may go without an answer; default 2 s for appends, else 5 s. */
  readonly commandTimeoutMs?: number;
}

/** Without the choice of reply forms, which is made by the type of the connection. */
type Options = Omit<RedisOptions, 'replyMapping'>;

const RECONNECT_MS_MAX = 1_000;
const CONNECT_TIMEOUT_MS = 3_000;
const APPEND_TIMEOUT_MS = 2_000;
const COMMAND_TIMEOUT_MS = 5_000;

/** Opens a connection; it is usable as soon as it is ready, and reconnects with a capped wait whenever it is lost. */
export function connectRedis(
  settings: RedisSettings,
  role: ConnectionRole,
  { onError, commandTimeoutMs }: ConnectOptions,
): Redis | Cluster {
  const options = { ...common(settings), ...roleOptions(role, commandTimeoutMs) };
  const { target } = settings;
  const connection = open(settings, target, options);
  connection.on('error', onError);
  return connection;
}

function open(settings: RedisSettings, target: RedisSettings['target'], options: Options): Redis | Cluster {
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
        ...(target.username === undefined ? {} : { sentinelUsername: target.username }),
        ...(target.password === undefined ? {} : { sentinelPassword: target.password }),
        ...(target.tls && options.tls ? { enableTLSForSentinelMode: true, sentinelTLS: options.tls } : {}),
        natMap: { ...settings.natMap },
      });
    case 'cluster':
      return new Cluster(
        target.nodes.map((node) => ({ ...node })),
        {
          redisOptions: options,
          clusterRetryStrategy: reconnectWaitMs,
          enableOfflineQueue: options.enableOfflineQueue ?? true,
          natMap: { ...settings.natMap },
          // With TLS the certificate names the host: it must not be looked up first.
          ...(options.tls
            ? {
                dnsLookup: (address: string, callback: (error: null, address: string) => void) =>
                  callback(null, address),
              }
            : {}),
        },
      );
    default:
      return assertNever(target);
  }
}

function common(settings: RedisSettings): Options {
  const { username, password, db, tls } = settings;
  return {
    db,
    connectTimeout: CONNECT_TIMEOUT_MS,
    keepAlive: 10_000,
    retryStrategy: reconnectWaitMs,
    // After a failover the old master answers READONLY: connect anew, to whoever is master now. Nothing is resent.
    reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 1 : false),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === null
      ? {}
      : {
          tls: {
            rejectUnauthorized: tls.verify,
            ...(tls.ca === undefined ? {} : { ca: tls.ca }),
            ...(tls.cert === undefined ? {} : { cert: tls.cert }),
            ...(tls.key === undefined ? {} : { key: tls.key }),
            ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
          },
        }),
  };
}

function roleOptions(role: ConnectionRole, commandTimeoutMs?: number): Options {
  const once: Options = {
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
  };
  switch (role) {
    case 'append':
      return { ...once, commandTimeout: commandTimeoutMs ?? APPEND_TIMEOUT_MS };
    case 'commands':
      return { ...once, commandTimeout: commandTimeoutMs ?? COMMAND_TIMEOUT_MS };
    case 'blocking':
      return { ...once, commandTimeout: commandTimeoutMs ?? COMMAND_TIMEOUT_MS, blockingTimeout: COMMAND_TIMEOUT_MS };
    case 'queue':
      return { maxRetriesPerRequest: null };
    default:
      return assertNever(role);
  }
}

function reconnectWaitMs(attempt: number): number {
  return Math.min(50 * attempt, RECONNECT_MS_MAX);
}
