import { type ProducerSettings, readTextFile, type SecretSource } from '@sink/config';

/** What `try` shows, so that it may post an event. */
export interface TryCredentials {
  readonly address: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The producer whose secret it is; null: none, or headers of the command line. */
  readonly producer: string | null;
}

/** What a producer's password or token is shown as. */
type Show = (secret: string) => Omit<TryCredentials, 'producer'>;

/**
 * The credentials of the command line, else the first password or token of a producer that the configuration, or a file that
 * it names, contains. A producer that may send any event comes before one that may not.
 * @param given `Name: value`
 */
export function tryCredentials(
  address: string,
  given: readonly string[],
  producers: readonly ProducerSettings[],
): TryCredentials {
  if (given.length > 0) return { address, headers: Object.fromEntries(given.map(headerOf)), producer: null };
  const free = ({ only }: ProducerSettings): boolean => only.types === null && only.sources === null;
  for (const { name, credential } of [...producers].sort((a, b) => Number(free(b)) - Number(free(a)))) {
    const shown = showOf(address, credential);
    const secret = shown === null ? null : firstSecret(shown.source);
    if (shown !== null && secret !== null) return { ...shown.show(secret), producer: name };
  }
  return { address, headers: {}, producer: null };
}

function showOf(
  address: string,
  credential: ProducerSettings['credential'],
): { readonly source: SecretSource; readonly show: Show } | null {
  switch (credential.kind) {
    case 'basic':
      return {
        source: credential.passwords,
        show: (password) => ({
          address,
          headers: { Authorization: `Basic ${Buffer.from(`${credential.user}:${password}`).toString('base64')}` },
        }),
      };
    case 'bearer': {
      const { header, tokens: source } = credential;
      return {
        source,
        show: (token) => ({
          address,
          headers: header === null ? { Authorization: `Bearer ${token}` } : { [header]: token },
        }),
      };
    }
    case 'query':
      return {
        source: credential.tokens,
        show: (token) => {
          const url = new URL(address);
          url.searchParams.set(credential.parameter, token);
          return { address: url.href, headers: {} };
        },
      };
    // Its secret is elsewhere, or signs a body.
    case 'jwt':
    case 'hmac':
    case 'mtls':
      return null;
  }
}

function firstSecret(source: SecretSource): string | null {
  if ('values' in source) return source.values[0] ?? null;
  const content = readTextFile(source.file);
  if (typeof content === 'string' || 'failure' in content) return null;
  return content.text.split(/[\r\n]+/).find((line) => line.trim() !== '') ?? null;
}

/** @param header `Name: value` */
export function headerOf(header: string): readonly [name: string, value: string] {
  const colon = header.indexOf(':');
  return [header.slice(0, colon).trim(), header.slice(colon + 1).trim()];
}
