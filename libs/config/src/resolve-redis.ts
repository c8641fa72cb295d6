import { type HostPort, parseHostPort } from './addresses.ts';
import type { Problems } from './problems.ts';
import { settingPaths, type SettingPath, type Settings } from './settings.ts';
import type { RedisSettings, RedisTarget, RedisTls } from './sink-config.ts';

/** Reads the file that a key names. If it cannot be read, adds a mistake and returns undefined. */
export type ReadNamedFile = (path: SettingPath, file: string) => string | undefined;

const ADDRESSES = ['redis.url', 'redis.sentinels', 'redis.cluster_nodes'] as const;
const TLS_DETAILS = [
  'redis.tls_ca_file',
  'redis.tls_cert_file',
  'redis.tls_key_file',
  'redis.tls_server_name',
  'redis.tls_verify',
] as const;

/** How to connect to Redis; null if the sink runs its own. Adds mistakes to `problems`. */
export function resolveRedis(settings: Settings, readFile: ReadNamedFile, problems: Problems): RedisSettings | null {
  const [address, second] = ADDRESSES.filter((path) => settings[path] !== undefined);
  if (address === undefined) {
    const orphan = settingPaths.find((path) => path.startsWith('redis.') && settings[path] !== undefined);
    if (orphan !== undefined) {
      problems.add('redis.url', `the address of the Redis that ${orphan} is for`, [orphan, ...ADDRESSES]);
    }
    return null;
  }
  if (second !== undefined) {
    problems.add(second, 'only one of redis.url, redis.sentinels and redis.cluster_nodes', [address]);
    return null;
  }

  const url = readUrl(settings, problems);
  const target = resolveTarget(settings, url, problems);
  const username = settings['redis.username'] ?? url?.username;
  const password = settings['redis.password'] ?? url?.password;
  const db = settings['redis.db'] ?? url?.db ?? 0;
  if (username !== undefined && password === undefined) {
    problems.add('redis.password', 'the password of the user', ['redis.username', 'redis.url']);
  }
  if (target?.kind === 'cluster' && db !== 0)
    problems.add('redis.db', '0, because a Redis Cluster has no other databases');
  if (target === undefined) return null;
  return {
    target,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    db,
    tls: resolveTls(settings, target, url, readFile, problems),
    natMap: settings['redis.nat_map'] ?? {},
  };
}

function readUrl(settings: Settings, problems: Problems): RedisUrl | undefined {
  const given = settings['redis.url'];
  if (given === undefined) return undefined;
  const url = parseRedisUrl(given);
  if (typeof url !== 'string') return url;
  problems.add('redis.url', url);
  return undefined;
}

function resolveTarget(settings: Settings, url: RedisUrl | undefined, problems: Problems): RedisTarget | undefined {
  const sentinels = settings['redis.sentinels'];
  const masterName = settings['redis.sentinel_master'];
  if (sentinels === undefined) {
    const orphan = settingPaths.find((path) => path.startsWith('redis.sentinel_') && settings[path] !== undefined);
    if (orphan) problems.add('redis.sentinels', `the addresses of the Sentinels that ${orphan} is for`, [orphan]);
    const nodes = settings['redis.cluster_nodes'];
    return nodes === undefined ? url?.target : { kind: 'cluster', nodes };
  }
  if (masterName === undefined) {
    problems.add('redis.sentinel_master', 'the name of the master that the Sentinels monitor, such as mymaster');
    return undefined;
  }
  const username = settings['redis.sentinel_username'];
  const password = settings['redis.sentinel_password'];
  return {
    kind: 'sentinel',
    sentinels,
    masterName,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    tls: settings['redis.sentinel_tls'] ?? false,
  };
}

function resolveTls(
  settings: Settings,
  target: RedisTarget,
  url: RedisUrl | undefined,
  readFile: ReadNamedFile,
  problems: Problems,
): RedisTls | null {
  const detail = TLS_DETAILS.find((path) => settings[path] !== undefined);
  const wanted = settings['redis.tls'] ?? (url?.tls === true || detail !== undefined);
  if (url?.tls === true && !wanted) problems.add('redis.tls', 'true with rediss://, or a redis:// address');
  if (!wanted) return null;
  if (target.kind === 'socket') {
    problems.add(detail ?? 'redis.tls', 'no TLS with a unix socket', ['redis.url']);
    return null;
  }
  const text = (path: (typeof TLS_DETAILS)[0 | 1 | 2]): string | undefined => {
    const file = settings[path];
    return file === undefined ? undefined : readFile(path, file);
  };
  const certFile = settings['redis.tls_cert_file'];
  const keyFile = settings['redis.tls_key_file'];
  if ((certFile === undefined) !== (keyFile === undefined)) {
    const absent = certFile === undefined ? 'redis.tls_cert_file' : 'redis.tls_key_file';
    problems.add(absent, 'both redis.tls_cert_file and redis.tls_key_file, or neither');
  }
  const ca = text('redis.tls_ca_file');
  const cert = text('redis.tls_cert_file');
  const key = text('redis.tls_key_file');
  const serverName = settings['redis.tls_server_name'];
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(serverName === undefined ? {} : { serverName }),
    verify: settings['redis.tls_verify'] ?? true,
  };
}

/** The parts of a Redis URL. */
interface RedisUrl {
  readonly target: ({ readonly kind: 'single' } & HostPort) | { readonly kind: 'socket'; readonly path: string };
  readonly username?: string;
  readonly password?: string;
  readonly db?: number;
  readonly tls: boolean;
}

const TLS_OF_SCHEME: Readonly<Record<string, boolean>> = { redis: false, valkey: false, rediss: true, valkeys: true };

/**
 * `redis[s]://[user][:password]@host[:port][/db]` (IANA's scheme; also valkey[s]), `unix:///path[?db=n]` or a plain
 * path. A returned string says what is allowed; it contains no part of the URL, which may contain a password.
 */
function parseRedisUrl(given: string): RedisUrl | string {
  if (given.startsWith('/')) return { target: { kind: 'socket', path: given }, tls: false };
  if (!URL.canParse(given))
    return 'an address that can be parsed; percent-encode special characters of a password, or use redis.password';
  const url = new URL(given);
  const scheme = url.protocol.slice(0, -1);
  const credentials = {
    ...(url.username === '' ? {} : { username: decode(url.username) }),
    ...(url.password === '' ? {} : { password: decode(url.password) }),
  };
  if (scheme === 'unix') {
    const db = parseDb(url.searchParams.get('db') ?? '');
    if (url.host !== '' || url.pathname.length < 2) return 'unix:///absolute/path of the socket';
    if (db === 'wrong') return 'unix:///path?db=number';
    return { target: { kind: 'socket', path: decode(url.pathname) }, ...credentials, ...db, tls: false };
  }
  const tls = TLS_OF_SCHEME[scheme];
  if (tls === undefined) return 'one of redis://, rediss://, valkey://, valkeys://, unix://';
  if (url.search !== '' || url.hash !== '') {
    return 'no "?" and no "#" in the address; percent-encode them in a password, and use keys of the configuration for options';
  }
  const address = parseHostPort(url.host, 6379);
  if (address === undefined) return 'a host and a port, as in redis://host:6379';
  const db = parseDb(url.pathname.slice(1));
  if (db === 'wrong') return 'the number of a database after the slash, as in redis://host:6379/0';
  return { target: { kind: 'single', ...address }, ...credentials, ...db, tls };
}

function parseDb(text: string): { readonly db?: number } | 'wrong' {
  if (text === '') return {};
  return /^\d{1,5}$/.test(text) ? { db: Number(text) } : 'wrong';
}

/** Percent-decoding that keeps a single `%`, because passwords contain them. */
function decode(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (encoded) => {
    try {
      return decodeURIComponent(encoded);
    } catch {
      return encoded;
    }
  });
}
