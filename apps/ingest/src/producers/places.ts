import { hash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** Longer secrets are none of ours: their digest is not computed. */
const SECRET_CHARACTERS_MAX = 8192;
const BEARER = /^Bearer +(\S+)$/i;
const BASIC = /^Basic +(\S+)$/i;

/** There are several secrets in one place. */
export const TWICE = Symbol('twice');
/** The digest of the secret in a place of a request; null: there is none. */
export type Found = string | null | typeof TWICE;

/**
 * A place of requests in which secrets are: a header or a parameter. What it finds is a digest, which is compared in its
 * stead: so the time of a comparison says nothing about a secret, and any number of secrets costs the same.
 *
 * Producers share a place: it is read once for each request.
 */
export class Place {
  /** For the message about one that is given twice. */
  readonly what: string;
  readonly #read: (req: IncomingMessage) => string | null | undefined;
  readonly #digest: (secret: string) => string;
  #lastRequest: IncomingMessage | null = null;
  #lastFound: Found = null;

  /** @param read undefined: it is given twice */
  constructor(
    what: string,
    read: (req: IncomingMessage) => string | null | undefined,
    digest: (secret: string) => string,
  ) {
    this.what = what;
    this.#read = read;
    this.#digest = digest;
  }

  find(req: IncomingMessage): Found {
    if (req === this.#lastRequest) return this.#lastFound;
    const secret = this.#read(req);
    this.#lastRequest = req;
    this.#lastFound =
      secret === undefined
        ? TWICE
        : secret === null || secret.length > SECRET_CHARACTERS_MAX
          ? null
          : this.#digest(secret);
    return this.#lastFound;
  }
}

/** All places, each once. */
export class Places {
  readonly #salt: string;
  readonly #places = new Map<string, Place>();
  /** Names, in lower case, of headers whose value is a token. */
  readonly secretHeaders = new Set<string>();

  /** @param salt differs in each process, so that nobody knows the digest of a secret that he has chosen */
  constructor(salt: string) {
    this.#salt = salt;
  }

  readonly digest = (secret: string): string => hash('sha256', this.#salt + secret, 'base64');

  /** Authorization: Bearer. */
  bearer(): Place {
    return this.#place('bearer', 'the header Authorization', (req) =>
      matched(headerOnce(req, 'authorization'), BEARER),
    );
  }

  /** A header whose value is the token. */
  header(name: string): Place {
    const key = name.toLowerCase();
    this.secretHeaders.add(key);
    return this.#place(`header ${key}`, `the header ${name}`, (req) => headerOnce(req, key));
  }

  /** A parameter of the query. */
  query(parameter: string): Place {
    return this.#place(`query ${parameter}`, `the parameter ${parameter}`, ({ url = '' }) =>
      parameterOnce(url, parameter),
    );
  }

  /** Authorization: Basic; what it finds is `credentialsOf`. */
  basic(): Place {
    return this.#place('basic', 'the header Authorization', (req) => {
      const encoded = matched(headerOnce(req, 'authorization'), BASIC);
      return typeof encoded === 'string' ? Buffer.from(encoded, 'base64').toString('latin1') : encoded;
    });
  }

  #place(key: string, what: string, read: (req: IncomingMessage) => string | null | undefined): Place {
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    const place = new Place(what, read, this.digest);
    this.#places.set(key, place);
    return place;
  }
}

/** What Authorization: Basic has, with each byte of its UTF-8 as a character. */
export function credentialsOf(user: string, password: string): string {
  return Buffer.from(`${user}:${password}`, 'utf8').toString('latin1');
}

function matched(value: string | null | undefined, pattern: RegExp): string | null | undefined {
  return typeof value === 'string' ? (pattern.exec(value)?.[1] ?? null) : value;
}

/**
 * The value of a header; null: it is absent or empty; undefined: it is given twice. The server joins the values of a header
 * that is given twice with commas, and only then is it looked for in what was sent.
 */
function headerOnce({ headers, rawHeaders }: IncomingMessage, name: string): string | null | undefined {
  const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
  if (value === undefined || value === '') return null;
  if (typeof value !== 'string') return undefined;
  if (!value.includes(',')) return value;
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]?.length === name.length && rawHeaders[at]?.toLowerCase() === name) count += 1;
  }
  return count > 1 ? undefined : value;
}

/** As `headerOnce`. A plus is a plus, because no token has a blank. */
function parameterOnce(url: string, parameter: string): string | null | undefined {
  const query = url.indexOf('?');
  if (query === -1) return null;
  let found: string | null = null;
  for (const pair of url.slice(query + 1).split('&')) {
    const equals = pair.indexOf('=');
    if (decoded(equals === -1 ? pair : pair.slice(0, equals)) !== parameter) continue;
    if (found !== null) return undefined;
    found = equals === -1 ? '' : decoded(pair.slice(equals + 1));
  }
  return found === '' ? null : found;
}

/** A text that is not percent-encoded as it should be matches nothing. */
function decoded(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}
