import type { RedisSettings } from '@sink/config';
import { Redis, type RedisOptions } from 'ioredis';
import { reconnectWaitMs, tlsOptions } from '../connect.ts';

type HostPort = RedisSettings['natMap'][string];
type Options = Omit<RedisOptions, 'replyMapping'>;
export type SentinelTarget = Extract<RedisSettings['target'], { readonly kind: 'sentinel' }>;

/** The time limit of a question to another server while a write waits for the answer. */
export const QUESTION_TIMEOUT_MS = 1_000;
const LISTENER_CONNECT_TIMEOUT_MS = 3_000;

/** One question, once. */
const QUESTION: Options = {
  connectionName: 'sink:question',
  lazyConnect: true,
  retryStrategy: () => null,
  enableReadyCheck: false,
  connectTimeout: QUESTION_TIMEOUT_MS,
  commandTimeout: QUESTION_TIMEOUT_MS,
};

/** Opens nothing yet: a short connection to one server of a name that Sentinels watch, by the address that they announce. */
export function connectInstance({ username, password, tls, natMap }: RedisSettings, address: string): Redis {
  return new Redis({
    ...QUESTION,
    ...(natMap[address] ?? hostPortOf(address)),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === null ? {} : { tls: tlsOptions(tls) }),
  });
}

/** The same to a Sentinel. */
export function connectSentinel(settings: RedisSettings, node: HostPort): Redis {
  const options: Options = { ...QUESTION, ...node };
  return new Redis(Object.assign(options, toSentinel(settings)));
}

/** A connection to a Sentinel that listens to its events, and reconnects whenever it is lost. */
export function listenToSentinel(current: () => RedisSettings, node: HostPort): Redis {
  const options: Options = {
    ...node,
    connectionName: 'sink:sentinel',
    enableReadyCheck: false,
    maxRetriesPerRequest: null,
    connectTimeout: LISTENER_CONNECT_TIMEOUT_MS,
    keepAlive: 10_000,
    retryStrategy(this: RedisOptions, attempt: number) {
      Object.assign(this, toSentinel(current()));
      return reconnectWaitMs(attempt);
    },
  };
  return new Redis(Object.assign(options, toSentinel(current())));
}

function toSentinel({ target, tls }: RedisSettings): object {
  if (target.kind !== 'sentinel') return {};
  const { username, password } = target;
  return { username, password, tls: target.tls ? tlsOptions(tls ?? { verify: true }) : undefined };
}

/** The last colon, because an IPv6 address has several. */
function hostPortOf(address: string): HostPort {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
}
