import { hash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { decodeJwt, decodeProtectedHeader } from 'jose';

/** Longer tokens are refused unread. In characters. */
const TOKEN_LENGTH_MAX = 16_384;
const SCHEME = 'bearer ';

/** What a token says of itself before its signature is verified. */
export interface TokenHead {
  readonly algorithm: string;
  readonly claims: Readonly<Record<string, unknown>>;
}

/** The token of one request. */
export class PresentedToken {
  readonly text: string;
  /** Tokens are looked up by it, so that the time of a look-up says nothing about other tokens. */
  readonly digest: string;
  #head: TokenHead | null | undefined;

  constructor(text: string) {
    this.text = text;
    this.digest = hash('sha256', text, 'base64');
  }

  /** Null: it is no JWT that a key of ours could have signed. */
  get head(): TokenHead | null {
    return this.#head === undefined ? (this.#head = headOf(this.text)) : this.#head;
  }
}

/** The token of `Authorization: Bearer`; null: there is none. */
export function presentedToken({ headers, rawHeaders }: IncomingMessage): PresentedToken | 'twice' | null {
  const { authorization } = headers;
  if (authorization === undefined) return null;
  // Two fields come joined with a comma, whatever the scheme of the first is.
  if (authorization.includes(',') && isGivenTwice(rawHeaders)) return 'twice';
  if (authorization.slice(0, SCHEME.length).toLowerCase() !== SCHEME) return null;
  const text = authorization.slice(SCHEME.length).trim();
  return text.length > TOKEN_LENGTH_MAX || text.includes(',') ? null : new PresentedToken(text);
}

function isGivenTwice(rawHeaders: readonly string[]): boolean {
  return rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === 'authorization').length > 1;
}

function headOf(text: string): TokenHead | null {
  try {
    const { alg, crit, kid } = decodeProtectedHeader(text);
    // RFC 7515, section 4.1.11: an extension that is critical and not understood. Key ids are text (section 4.1.4).
    if (typeof alg !== 'string' || crit !== undefined || (kid !== undefined && typeof kid !== 'string')) return null;
    return { algorithm: alg, claims: decodeJwt(text) };
  } catch {
    return null;
  }
}
