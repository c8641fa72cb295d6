import type { JwtSettings } from '@sink/config';
import { fetchJson, shown, type Way } from './fetch-json.ts';

/** Where the keys of an issuer come from. Producers with the same source share one key set. */
export type KeySourceSettings = Pick<JwtSettings, 'issuer' | 'jwksUrl' | 'jwksCaFile' | 'jwksTokenFile'>;

/** For the discovery document and the key set together, in milliseconds. */
const FETCH_MS_MAX = 5_000;

/** What the name of another issuer is cut to. */
const ISSUER_CHARACTERS_SHOWN = 100;

/** Two producers with the same text share their keys. */
export function sourceId(source: KeySourceSettings): string {
  return JSON.stringify([source.issuer, source.jwksUrl, source.jwksCaFile, source.jwksTokenFile]);
}

/**
 * The public keys that an issuer publishes now.
 *
 * @throws Error which document is at fault, and why
 */
export async function fetchKeys(
  source: KeySourceSettings,
  proxy: Way['proxy'],
  signal: AbortSignal,
): Promise<readonly object[]> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(FETCH_MS_MAX)]);
  const way = { caFile: source.jwksCaFile, tokenFile: source.jwksTokenFile, proxy };
  const url = source.jwksUrl === null ? await discover(source.issuer, way, limited) : new URL(source.jwksUrl);
  const keySet = await fetchJson(url, way, limited);
  const keys: readonly unknown[] = isObject(keySet) && Array.isArray(keySet['keys']) ? keySet['keys'] : [];
  const found = keys.filter(isObject);
  // By mistake or not: a key set without keys says nothing about a token.
  if (found.length === 0) throw new Error(`fetching ${shown(url)}: the answer is no key set with keys`);
  return found;
}

/** OpenID Connect Discovery 1.0, sections 4 and 4.3. */
async function discover(issuer: string, way: Way, signal: AbortSignal): Promise<URL> {
  const url = new URL(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
  const document = await fetchJson(url, way, signal);
  const { issuer: named, jwks_uri: address } = isObject(document) ? document : {};
  if (named !== issuer) {
    const other =
      typeof named === 'string' ? JSON.stringify(named.slice(0, ISSUER_CHARACTERS_SHOWN)) : 'without a name';
    throw new Error(`fetching ${shown(url)}: it is the document of another issuer, ${other}`);
  }
  const keys = typeof address === 'string' ? URL.parse(address) : null;
  if (keys === null || (keys.protocol !== 'https:' && keys.protocol !== url.protocol)) {
    throw new Error(`fetching ${shown(url)}: jwks_uri is no ${url.protocol}// address`);
  }
  return keys;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
