import type { Verdict } from '../credential.ts';
import type { Keys } from './keys.ts';

/** A token whose signature was good. */
export interface RememberedToken<Producer> {
  readonly keys: Keys;
  /** From then on it is refused. Wall clock, in milliseconds. */
  readonly expiresMs: number;
  readonly verdicts: ReadonlyMap<Producer, Verdict>;
}

const TOKENS_MAX = 10_000;

/**
 * Tokens that were verified, by digest. They are forgotten when they expire, when the keys of their issuer change, and, at
 * the limit, in the order in which they came: a token that was forgotten is verified again.
 */
export class TokenMemory<Producer> {
  readonly #tokens = new Map<string, RememberedToken<Producer>>();

  get size(): number {
    return this.#tokens.size;
  }

  /** Null: it is not remembered, or has expired. */
  find(digest: string, nowMs: number): RememberedToken<Producer> | null {
    const token = this.#tokens.get(digest);
    if (token === undefined) return null;
    if (nowMs < token.expiresMs) return token;
    this.#tokens.delete(digest);
    return null;
  }

  remember(digest: string, token: RememberedToken<Producer>): void {
    this.#tokens.set(digest, token);
    if (this.#tokens.size <= TOKENS_MAX) return;
    for (const oldest of this.#tokens.keys()) {
      this.#tokens.delete(oldest);
      break;
    }
  }

  clear(): void {
    this.#tokens.clear();
  }

  forgetVerifiedWith(keys: Keys): void {
    this.#forget((token) => token.keys === keys);
  }

  forgetExpired(nowMs: number): void {
    this.#forget((token) => nowMs >= token.expiresMs);
  }

  #forget(isToGo: (token: RememberedToken<Producer>) => boolean): void {
    for (const [digest, token] of this.#tokens) if (isToGo(token)) this.#tokens.delete(digest);
  }
}
