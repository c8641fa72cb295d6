import type { z } from 'zod';
import { choice, filePath, optionalBytes, optionalInteger, optionalText, secretText } from './field.ts';
import { besideSecret, mapping, mappings, requiredText, secretTexts, texts, valuesByName, words } from './nested.ts';

const GIB = 1024 ** 3;
const PRODUCERS_MAX = 1_000;
const LIST_MAX = 1_000;

/** A token of a header's value: visible ASCII. */
const TOKEN = /^[\x21-\x7e]{1,4096}$/;
/** https://, or http:// on this machine. */
const ADDRESS = /^(https:\/\/[^\s/@?#]+|http:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?)(\/[^\s#]*)?$/;
const ADDRESS_ALLOWED = 'an https:// address without credentials (http:// only for this machine)';

const JWT_ALGORITHMS = [
  ...(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const),
  ...(['ES256', 'ES384', 'ES512', 'EdDSA'] as const),
] as const;

const KINDS = ['basic', 'bearer', 'query', 'jwt', 'hmac', 'mtls'] as const;

/**
 * Headers that have another meaning: they may be in the bucket, in evidence or in a trace, or several senders and proxies
 * write them. And names that every object of JavaScript has.
 */
const HEADERS_TAKEN = new Set([
  ...['cookie', 'date', 'host', 'set-cookie', 'traceparent', 'user-agent'],
  ...Object.getOwnPropertyNames(Object.prototype).map((name) => name.toLowerCase()),
]);
const HEADER_ALLOWED =
  'a header of its own, such as X-Api-Key: not one that has another meaning, or is kept with events';

function isTaken(header: string): boolean {
  const name = header.toLowerCase();
  return HEADERS_TAKEN.has(name) || name.startsWith('ce-') || name.startsWith('content-');
}

/** Of a secret and its file, exactly one. */
function oneOf(first: string, second: string) {
  return (given: Readonly<Record<string, unknown>>, context: z.RefinementCtx): void => {
    if ((given[first] === undefined) !== (given[second] === undefined)) return;
    context.addIssue({ code: 'custom', message: `exactly one of ${first} and ${second}` });
  };
}

const tokens = {
  tokens: secretTexts(TOKEN, LIST_MAX, 'visible ASCII characters, no blanks', 'The tokens that are let in.'),
  tokens_file: filePath('The path of a file with one token a line: two of them while one replaces the other.'),
};

const producer = {
  name: requiredText(
    /^[a-z0-9-]{1,40}$/,
    '1 to 40 lower-case letters, digits and hyphens',
    'The name of the producer in metrics, logs and quarantine lines.',
  ),
  basic: mapping(
    {
      user: besideSecret(requiredText(/^[^:\p{Cc}]{1,256}$/u, 'text without a colon', 'The user name.')),
      password: secretText('The password.'),
      password_file: filePath('The path of a file with the password: one a line, two while one replaces the other.'),
    },
    'The producer sends `Authorization: Basic`, for example from `user:password@` in its URL.',
    oneOf('password', 'password_file'),
  ),
  bearer: mapping(
    tokens,
    'The producer sends one of these tokens as `Authorization: Bearer`, or in `header`.',
    oneOf('tokens', 'tokens_file'),
  ),
  header: besideSecret(
    optionalText(
      /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/,
      'the name of a header',
      'Only with `bearer`: the header whose value is the token. Default: `Authorization: Bearer`.',
    ),
  ),
  query: mapping(
    {
      parameter: besideSecret(
        requiredText(/^[A-Za-z0-9._~-]{1,64}$/, 'a name of letters, digits and . _ ~ -', 'Its name.'),
      ),
      ...tokens,
    },
    'The producer sends one of these tokens as a parameter in the query of its URL.',
    oneOf('tokens', 'tokens_file'),
  ),
  jwt: mapping(
    {
      issuer: requiredText(/^[^\s\p{Cc}]{1,1024}$/u, 'text without blanks', 'The claim `iss`.'),
      audience: texts(/^[^\p{Cc}]{1,1024}$/u, 100, 'text', 'What the claim `aud` has to contain: one of these.'),
      jwks_url: optionalText(
        ADDRESS,
        ADDRESS_ALLOWED,
        'The address of the keys. Default: that of the discovery document of `issuer`.',
      ),
      jwks_ca_file: filePath('The path of a file with certificates (PEM) that are trusted for these addresses.'),
      jwks_token_file: filePath('The path of a file with a token that is sent to these addresses.'),
      algorithms: words(JWT_ALGORITHMS, 'The algorithms of signatures. Default: all of these.'),
      subjects: texts(/^[^\p{Cc}]{1,1024}$/u, LIST_MAX, 'text', 'What the claim `sub` has to be: one of these.'),
      claims: valuesByName(50, 'What other claims have to be: the value, or one of the list.'),
    },
    'The producer sends a JSON Web Token as `Authorization: Bearer`.',
    ({ issuer, audience, jwks_url: url }, context) => {
      if (audience === undefined) context.addIssue({ code: 'custom', message: 'a list of texts', path: ['audience'] });
      if (url !== undefined || ADDRESS.test(issuer)) return;
      context.addIssue({ code: 'custom', message: `${ADDRESS_ALLOWED}, or jwks_url beside it`, path: ['issuer'] });
    },
  ),
  hmac: mapping(
    {
      secret: secretText('The secret.'),
      secret_file: filePath('The path of a file with the secret: one a line, two while one replaces the other.'),
      scheme: choice(
        ['standard-webhooks', 'github'],
        'standard-webhooks',
        'Which headers hold the signature: those of Standard Webhooks, or `X-Hub-Signature-256`.',
      ),
    },
    'The producer signs the body of each request.',
    oneOf('secret', 'secret_file'),
  ),
  mtls: mapping(
    {
      subjects: texts(
        /^[^\p{Cc}]{1,1024}$/u,
        LIST_MAX,
        'a distinguished name as in RFC 4514, such as CN=billing,O=Example',
        'The subjects of its certificates.',
      ),
      san: texts(
        /^[\x21-\x7e]{1,1024}$/,
        LIST_MAX,
        'a URI or a DNS name',
        'The subject alternative names of its certificates: URIs and DNS names.',
      ),
    },
    'The producer has a client certificate that `tls.client_ca_file` verifies, with one of these subjects or names.',
    (given, context) => {
      if (given.subjects !== undefined || given.san !== undefined) return;
      context.addIssue({ code: 'custom', message: 'subjects, san or both' });
    },
  ),
  limits: mapping(
    {
      events_per_second: optionalInteger(1, 1_000_000_000, 'How many events it may send, over all replicas.'),
      bytes_per_second: optionalBytes(1, 1024 * GIB, 'How many bytes of bodies it may send, over all replicas.'),
      requests_in_flight: optionalInteger(
        1,
        1_000_000,
        'How many of its requests may be in flight, over all replicas.',
      ),
    },
    'What it may send. Above that it gets 429. Default: no limit.',
  ),
  only: mapping(
    {
      types: texts(/^[^\p{Cc}]{1,256}$/u, LIST_MAX, 'text in which * is any run of characters', 'Values of `type`.'),
      sources: texts(
        /^[^\p{Cc}]{1,256}$/u,
        LIST_MAX,
        'text in which * is any run of characters',
        'Values of `source`.',
      ),
    },
    'Which events it may send. A request with any other event gets 403. Default: all.',
  ),
};

/** The key `producers`. */
export const producersField = mappings(
  producer,
  'Who may send events. With at least one, every request that sends events must match one: the first in the list whose credential matches. Each has a name and exactly one kind of credential ([Security](security.md)). Default: whoever reaches the port may send.',
  {
    itemsMax: PRODUCERS_MAX,
    each: (given, context) => {
      const kinds = KINDS.filter((kind) => given[kind] !== undefined);
      if (kinds.length !== 1) {
        context.addIssue({ code: 'custom', message: `exactly one of ${KINDS.join(', ')} in each` });
      } else if (given.header !== undefined && given.bearer === undefined) {
        context.addIssue({ code: 'custom', message: 'only together with bearer', path: ['header'] });
      } else if (given.header !== undefined && isTaken(given.header)) {
        context.addIssue({ code: 'custom', message: HEADER_ALLOWED, path: ['header'] });
      }
    },
    all: (given, context) => {
      const names = new Set<string>();
      for (const [index, { name }] of given.entries()) {
        if (names.has(name)) {
          context.addIssue({ code: 'custom', message: 'a name that no other producer has', path: [index, 'name'] });
        }
        names.add(name);
      }
    },
  },
);

/** Values, or the path of a file with one value a line, which is read again when it changes. */
export type SecretSource = { readonly values: readonly string[] } | { readonly file: string };

/** How a producer is recognized. */
export type CredentialSettings =
  | { readonly kind: 'basic'; readonly user: string; readonly passwords: SecretSource }
  /** `header` null: Authorization: Bearer. */
  | { readonly kind: 'bearer'; readonly header: string | null; readonly tokens: SecretSource }
  | { readonly kind: 'query'; readonly parameter: string; readonly tokens: SecretSource }
  | JwtSettings
  | { readonly kind: 'hmac'; readonly scheme: 'standard-webhooks' | 'github'; readonly secrets: SecretSource }
  | { readonly kind: 'mtls'; readonly subjects: readonly string[]; readonly san: readonly string[] };

export interface JwtSettings {
  readonly kind: 'jwt';
  readonly issuer: string;
  readonly audiences: readonly string[];
  /** Null: that of the issuer's discovery document. */
  readonly jwksUrl: string | null;
  readonly jwksCaFile: string | null;
  readonly jwksTokenFile: string | null;
  readonly algorithms: readonly (typeof JWT_ALGORITHMS)[number][];
  /** Null: any. */
  readonly subjects: readonly string[] | null;
  /** Claims by name, as they are written, with the values that are allowed. */
  readonly claims: Readonly<Record<string, readonly (string | number | boolean)[]>>;
}

/** A producer. Null: no limit, any type, any source. */
export interface ProducerSettings {
  readonly name: string;
  readonly credential: CredentialSettings;
  readonly limits: {
    readonly eventsPerSecond: number | null;
    readonly bytesPerSecond: number | null;
    readonly requestsInFlight: number | null;
  };
  readonly only: { readonly types: readonly string[] | null; readonly sources: readonly string[] | null };
}

type Given = NonNullable<z.output<typeof producersField.schema>>[number];

/** The producers of a valid value. */
export function producersOf(given: readonly Given[] | undefined): readonly ProducerSettings[] {
  return (given ?? []).map((one) => ({
    name: one.name,
    credential: credentialOf(one),
    limits: {
      eventsPerSecond: one.limits?.events_per_second ?? null,
      bytesPerSecond: one.limits?.bytes_per_second ?? null,
      requestsInFlight: one.limits?.requests_in_flight ?? null,
    },
    only: { types: one.only?.types ?? null, sources: one.only?.sources ?? null },
  }));
}

function credentialOf({ name, basic, bearer, header, query, jwt, hmac, mtls }: Given): CredentialSettings {
  if (basic !== undefined) {
    return { kind: 'basic', user: basic.user, passwords: sourceOf(listOf(basic.password), basic.password_file) };
  }
  if (bearer !== undefined) {
    return { kind: 'bearer', header: header ?? null, tokens: sourceOf(bearer.tokens, bearer.tokens_file) };
  }
  if (query !== undefined) {
    return { kind: 'query', parameter: query.parameter, tokens: sourceOf(query.tokens, query.tokens_file) };
  }
  if (jwt !== undefined) {
    return {
      kind: 'jwt',
      issuer: jwt.issuer,
      audiences: jwt.audience ?? [],
      jwksUrl: jwt.jwks_url ?? null,
      jwksCaFile: jwt.jwks_ca_file ?? null,
      jwksTokenFile: jwt.jwks_token_file ?? null,
      algorithms: jwt.algorithms ?? JWT_ALGORITHMS,
      subjects: jwt.subjects ?? null,
      claims: Object.fromEntries(
        Object.entries(jwt.claims ?? {}).map(([claim, value]) => [claim, Array.isArray(value) ? value : [value]]),
      ),
    };
  }
  if (hmac !== undefined) {
    return { kind: 'hmac', scheme: hmac.scheme, secrets: sourceOf(listOf(hmac.secret), hmac.secret_file) };
  }
  if (mtls !== undefined) return { kind: 'mtls', subjects: mtls.subjects ?? [], san: mtls.san ?? [] };
  throw new Error(`reading the producer ${name}: it has no credential`);
}

function listOf(value: string | undefined): readonly string[] | undefined {
  return value === undefined ? undefined : [value];
}

function sourceOf(values: readonly string[] | undefined, file: string | undefined): SecretSource {
  return file === undefined ? { values: values ?? [] } : { file };
}

/** The files with the secrets of a producer. */
export function secretFiles({ credential }: ProducerSettings): string[] {
  switch (credential.kind) {
    case 'basic':
      return fileOf(credential.passwords);
    case 'bearer':
    case 'query':
      return fileOf(credential.tokens);
    case 'hmac':
      return fileOf(credential.secrets);
    case 'jwt':
      return [credential.jwksCaFile, credential.jwksTokenFile].filter((path) => path !== null);
    case 'mtls':
      return [];
  }
}

function fileOf(source: SecretSource): string[] {
  return 'file' in source ? [source.file] : [];
}
