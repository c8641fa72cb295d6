import { parseHostPort } from './host-port.ts';
import type { HostPort } from './redis-settings.ts';

/** What a Redis URL says. */
export interface RedisUrl {
  readonly target: ({ readonly kind: 'single' } & HostPort) | { readonly kind: 'socket'; readonly path: string };
  readonly username?: string;
  readonly password?: string;
  readonly db?: number;
  readonly tls: boolean;
}

const TLS_OF_SCHEME: Readonly<Record<string, boolean>> = { redis: false, valkey: false, rediss: true, valkeys: true };

/**
 * `redis[s]://[user][:password]@host[:port][/db]` (IANA's scheme; also valkey[s]), `unix:///path[?db=n]` or a plain
 * path. A string says what is wrong, without anything of the URL, which may hold a password.
 */
export function parseRedisUrl(given: string): RedisUrl | string {
  if (given.startsWith('/')) return { target: { kind: 'socket', path: given }, tls: false };
  if (!URL.canParse(given))
    return 'an address that can be parsed; percent-encode what is special in a password, or use redis.password';
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
    return 'no "?" and no "#" in the address; percent-encode them in a password, everything else is a key of its own';
  }
  const address = parseHostPort(url.host, 6379);
  if (address === undefined) return 'a host and a port, as redis://host:6379';
  const db = parseDb(url.pathname.slice(1));
  if (db === 'wrong') return 'the number of a database behind the slash, as redis://host:6379/0';
  return { target: { kind: 'single', ...address }, ...credentials, ...db, tls };
}

function parseDb(text: string): { readonly db?: number } | 'wrong' {
  if (text === '') return {};
  return /^\d{1,5}$/.test(text) ? { db: Number(text) } : 'wrong';
}

/** Percent-decoding that leaves a lone `%` as it is: passwords contain them. */
function decode(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (encoded) => {
    try {
      return decodeURIComponent(encoded);
    } catch {
      return encoded;
    }
  });
}
