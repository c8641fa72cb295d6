import {
  compactVerify,
  createLocalJWKSet,
  errors,
  type CompactVerifyResult,
  type CryptoKey,
  type JSONWebKeySet,
} from 'jose';
import type { PresentedToken } from './token.ts';

/** What the keys say about a token. `unknown key`: none of them is the one that the token names. */
export type Signature =
  | { readonly kind: 'good'; readonly claims: Readonly<Record<string, unknown>>; readonly algorithm: string }
  | { readonly kind: 'bad' }
  | { readonly kind: 'unknown key' };

const BAD: Signature = { kind: 'bad' };
const UNKNOWN_KEY: Signature = { kind: 'unknown key' };
/** A token that names no key, or one of several keys of one name, is tried with so many. */
const KEYS_TRIED_MAX = 4;

/** The keys of an issuer as they were published at one time. Keys come from here alone, never from a token's header. */
export class Keys {
  /** Two sets with the same text have the same keys. */
  readonly text: string;
  readonly #find: ReturnType<typeof createLocalJWKSet>;
  /** By the digest of the token: a new token that comes with many requests at once is verified once. */
  readonly #verifying = new Map<string, Promise<Signature>>();

  constructor(keys: readonly object[]) {
    this.text = keys
      .map((key) => JSON.stringify(key))
      .sort()
      .join();
    this.#find = createLocalJWKSet({ keys } as JSONWebKeySet);
  }

  /** Never rejects. */
  verify({ digest, text }: PresentedToken): Promise<Signature> {
    const running = this.#verifying.get(digest);
    if (running !== undefined) return running;
    const verifying = this.#verify(text).finally(() => this.#verifying.delete(digest));
    this.#verifying.set(digest, verifying);
    return verifying;
  }

  async #verify(token: string): Promise<Signature> {
    try {
      return signatureOf(await compactVerify(token, this.#find));
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey) return UNKNOWN_KEY;
      return error instanceof errors.JWKSMultipleMatchingKeys ? tryEach(token, error) : BAD;
    }
  }
}

async function tryEach(token: string, candidates: AsyncIterable<CryptoKey>): Promise<Signature> {
  let tried = 0;
  for await (const key of candidates) {
    if (++tried > KEYS_TRIED_MAX) break;
    try {
      return signatureOf(await compactVerify(token, key));
    } catch {
      // It was another key.
    }
  }
  return BAD;
}

function signatureOf({ payload, protectedHeader }: CompactVerifyResult): Signature {
  const claims = JSON.parse(new TextDecoder().decode(payload)) as Readonly<Record<string, unknown>>;
  return { kind: 'good', claims, algorithm: protectedHeader.alg };
}
