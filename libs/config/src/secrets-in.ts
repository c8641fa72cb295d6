import { secretsInside } from './nested-values.ts';
import type { GivenSettings } from './problems.ts';
import { settings } from './settings.ts';
import type { Proxy, RedisSettings } from './sink-config.ts';

/** The values of secret keys, the passwords in their addresses, and `more`. */
export function secretsIn(given: GivenSettings, more: readonly (string | undefined)[]): string[] {
  const values = [...given].flatMap(([path, { value }]) => {
    if (settings[path].nested !== undefined) return secretsInside(settings[path], value);
    // The address of a proxy is no secret; its password is one of `more`.
    if (!settings[path].secret || typeof value !== 'string' || path === 'proxy_url') return [];
    return URL.canParse(value) ? [value, new URL(value).password] : [value];
  });
  const secrets = [...values, ...more].filter((secret) => secret !== undefined);
  return [...new Set(secrets)].filter((secret) => secret !== '');
}

/** The password of an address (as it is decoded), and the text of the TLS key. */
export function redisSecrets(redis: RedisSettings | null): (string | undefined)[] {
  return [redis?.password, redis?.tls?.key];
}

/** The passwords in the addresses of proxies, as they are written and decoded. */
export function proxyPasswords(proxy: Proxy | undefined): string[] {
  return [proxy?.http, proxy?.https].flatMap((address) => {
    const password = (address === undefined ? null : URL.parse(address))?.password ?? '';
    return [password, decodeURIComponent(password)];
  });
}
