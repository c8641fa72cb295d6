import { X509Certificate } from 'node:crypto';
import { isIPv4 } from 'node:net';
import type { AwsProfile } from './aws-profile.ts';
import type { ReadText } from './config-file.ts';
import type { Environment } from './environment.ts';
import type { Problems } from './problems.ts';
import type { Settings } from './settings.ts';
import type { Endpoint, Proxy } from './sink-config.ts';

/** What the way to S3 is resolved from, beside the settings. */
export interface Surroundings {
  readonly env: Environment;
  readonly profile: AwsProfile;
  readonly readText: ReadText;
}

const ENDPOINT_VARIABLES = ['AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'] as const;

/** The address of the store: that of the key, or the one that the AWS SDK would find; undefined for AWS. */
export function resolveEndpoint(
  { endpoint }: Settings,
  { env, profile }: Surroundings,
  problems: Problems,
): Endpoint | undefined {
  if (endpoint !== undefined) return { url: endpoint.replace(/\/$/, ''), from: 'endpoint' };
  const ignored = env['AWS_IGNORE_CONFIGURED_ENDPOINT_URLS'] || profile.get('ignore_configured_endpoint_urls');
  if (ignored?.toLowerCase() === 'true') return undefined;
  const variable = ENDPOINT_VARIABLES.find((name) => env[name]);
  const url = variable === undefined ? profile.endpointUrl : env[variable];
  if (url === undefined) return undefined;
  const from = variable ?? `endpoint_url of the AWS profile ${profile.name}`;
  const parsed = URL.parse(url);
  if (parsed === null || !/^https?:$/.test(parsed.protocol) || parsed.username !== '') {
    problems.addOther({
      key: from,
      given: 'a value that is no address of a server',
      allowed: 'an http:// or https:// address without credentials',
    });
    return undefined;
  }
  return { url: url.replace(/\/$/, ''), from };
}

/** The authorities that are trusted beside the usual ones; read again when a connection fails. */
export function resolveCa(
  { endpoint_ca_file: keyFile }: Settings,
  { env, profile, readText }: Surroundings,
  problems: Problems,
  warnings: string[],
): (() => string) | undefined {
  const variable = env['AWS_CA_BUNDLE'];
  const file = keyFile ?? (variable || profile.get('ca_bundle'));
  if (file === undefined) return undefined;
  let last = pemOf(readText(file));
  if (last === undefined) {
    if (keyFile !== undefined) {
      problems.add('endpoint_ca_file', 'the path of a readable file with certificates in PEM');
    } else {
      const from = variable ? 'AWS_CA_BUNDLE' : `ca_bundle of the AWS profile ${profile.name}`;
      warnings.push(`${from} names ${file}, which is no readable file with certificates in PEM: it has no effect`);
    }
    return undefined;
  }
  return () => (last = pemOf(readText(file)) ?? last ?? '');
}

/** The text, if it has a certificate. Node itself ignores what it cannot read. */
function pemOf(content: ReturnType<ReadText>): string | undefined {
  if (content === 'missing' || 'failure' in content) return undefined;
  const blocks = content.text.match(/-----BEGIN [A-Z ]*CERTIFICATE-----[^]*?-----END /g) ?? [];
  return blocks.some((block) => isCertificate(`${block}CERTIFICATE-----`)) ? content.text : undefined;
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).fingerprint256 !== '';
  } catch {
    return false;
  }
}

/** The proxy to S3 and STS: that of `proxy_url`, or those of the environment. */
export function resolveProxy(
  { proxy_url: key }: Settings,
  { env }: Surroundings,
  problems: Problems,
  warnings: string[],
): Proxy | undefined {
  if (key?.toLowerCase() === 'none') return undefined;
  if (key !== undefined && !isAddressOfProxy(key)) {
    problems.add('proxy_url', 'an address of a proxy; percent-encode special characters of a password');
    return undefined;
  }
  if (key !== undefined) return { http: key, https: key, noProxy: '', shown: `${withoutCredentials(key)} (proxy_url)` };
  return environmentProxy(env, warnings);
}

/** The proxies of the environment; undefined: there are none. */
export function environmentProxy(env: Environment, warnings: string[] = []): Proxy | undefined {
  const [http, https] = ['HTTP_PROXY', 'HTTPS_PROXY'].map((name) => {
    const value = variableOf(env, name);
    if (value === undefined) return undefined;
    const url = value.includes('://') ? value : `http://${value}`;
    if (isAddressOfProxy(url)) return { name, url };
    warnings.push(`${name} is no http:// or https:// address of a proxy: it has no effect`);
    return undefined;
  });
  if (http === undefined && https === undefined) return undefined;
  const shown = [https, http].flatMap((proxy) => (proxy ? [`${withoutCredentials(proxy.url)} (${proxy.name})`] : []));
  return {
    ...(http === undefined ? {} : { http: http.url }),
    ...(https === undefined ? {} : { https: https.url }),
    noProxy: directHosts(variableOf(env, 'NO_PROXY') ?? ''),
    shown: shown.join(' or '),
  };
}

/** Both spellings are in use; the lower-case one comes first, as with curl. */
function variableOf(env: Environment, name: string): string | undefined {
  return env[name.toLowerCase()] || env[name] || undefined;
}

/**
 * NO_PROXY for Node, which matches a plain name exactly and knows ranges of addresses, but no networks: a name also means
 * the hosts below it, as with curl, Go and Python. This machine is never reached through a proxy of the environment.
 */
function directHosts(noProxy: string): string {
  const entries = noProxy.split(/[\s,]+/).filter((entry) => entry !== '');
  const below = entries.filter((entry) => /^[a-z0-9_-][a-z0-9._-]*$/i.test(entry) && !/^[\d.]+(-|$)/.test(entry));
  const given = [...entries.map(rangeOfNetwork), ...below.map((entry) => `.${entry}`)];
  return [...given, 'localhost', '127.0.0.1', '::1', '[::1]'].join(',');
}

/** `10.0.0.0/8` -> `10.0.0.0-10.255.255.255`; everything else as it is. */
function rangeOfNetwork(entry: string): string {
  const [, address = '', bits = ''] = /^(\d+\.\d+\.\d+\.\d+)\/(\d+)$/.exec(entry) ?? [];
  if (!isIPv4(address) || Number(bits) > 32) return entry;
  const size = 2 ** (32 - Number(bits));
  const number = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const first = number - (number % size);
  const text = (n: number): string => [24, 16, 8, 0].map((shift) => Math.floor(n / 2 ** shift) % 256).join('.');
  return `${text(first)}-${text(first + size - 1)}`;
}

/** Node decodes the credentials when it makes an agent, and throws if it cannot. */
function isAddressOfProxy(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) return false;
  try {
    decodeURIComponent(url.username + url.password);
    return true;
  } catch {
    return false;
  }
}

function withoutCredentials(url: string): string {
  return url.replace(/\/\/[^/]*@/, '//');
}
