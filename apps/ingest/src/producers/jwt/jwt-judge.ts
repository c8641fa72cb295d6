import type { IncomingMessage } from 'node:http';
import type { Clock } from '@sink/runtime';
import { KNOWN, NONE, type Verdict } from '../credential.ts';
import type { KeySet } from './key-set.ts';
import type { Keys } from './keys.ts';
import { presentedToken, type PresentedToken, type TokenHead } from './token.ts';
import { TokenMemory } from './token-memory.ts';
import { expiryMs, isFor, type TokenRule, whyForbidden } from './token-rule.ts';

const TWICE: Verdict = { kind: 'twice', what: 'the header Authorization' };
const NO_KEY: Verdict = {
  kind: 'unavailable',
  message: 'the key of the token could not be fetched: send this request again',
};

/** A producer, for this judge. */
export interface TokenProducer {
  readonly rule: TokenRule;
  /** Producers of one issuer have the same. */
  readonly keySet: KeySet;
}

/**
 * Judges the tokens of requests for all producers that send JSON Web Tokens. A token is verified once for all producers of
 * its issuer, and then remembered.
 */
export class JwtJudge {
  readonly memory = new TokenMemory<TokenProducer>();
  readonly #clock: Pick<Clock, 'wallMs'>;
  readonly #producers = new Set<TokenProducer>();
  #lastRequest: IncomingMessage | null = null;
  #lastToken: PresentedToken | 'twice' | null = null;

  constructor(clock: Pick<Clock, 'wallMs'>) {
    this.#clock = clock;
  }

  add(producer: TokenProducer): void {
    this.#producers.add(producer);
  }

  /** What was remembered for it is forgotten, with all else. */
  remove(producer: TokenProducer): void {
    this.#producers.delete(producer);
    this.memory.clear();
  }

  /** Without a promise if the token is remembered, or is not for us. */
  check(req: IncomingMessage, producer: TokenProducer): Verdict | Promise<Verdict> {
    const token = this.#tokenOf(req);
    if (token === null) return NONE;
    if (token === 'twice') return TWICE;
    const nowMs = this.#clock.wallMs();
    const remembered = this.memory.find(token.digest, nowMs)?.verdicts.get(producer);
    if (remembered !== undefined) return remembered;
    // What a token says of itself is judged first: a stranger's costs neither a signature nor a fetch.
    if (token.head === null || !isFor(producer.rule, token.head, nowMs)) return NONE;
    return this.#verify(token, producer);
  }

  /** All producers of this kind look at the same field: it is read once for a request. */
  #tokenOf(req: IncomingMessage): PresentedToken | 'twice' | null {
    if (req !== this.#lastRequest) {
      this.#lastRequest = req;
      this.#lastToken = presentedToken(req);
    }
    return this.#lastToken;
  }

  /** Never rejects. */
  async #verify(token: PresentedToken, producer: TokenProducer): Promise<Verdict> {
    const { keySet } = producer;
    const begunBefore = keySet.begun;
    for (;;) {
      const { keys, confirmedBy } = keySet;
      if (keys !== null) {
        const signature = await keys.verify(token);
        // Meanwhile the issuer has published others.
        if (keys !== keySet.keys) continue;
        if (signature.kind === 'good') return this.#remember(token, signature, keys, producer);
        if (signature.kind === 'bad') {
          // Some issuers give a new key the name of the old one.
          keySet.fetchSoon();
          return NONE;
        }
        // Only a fetch that began after the request came can say that there is no such key.
        if (confirmedBy > begunBefore) return NONE;
      }
      const fetched = await keySet.fetched();
      if (fetched.kind === 'failed') return NO_KEY;
    }
  }

  /** Keeps what follows from the token for each producer, and not the token. */
  #remember(token: PresentedToken, signed: TokenHead, keys: Keys, verifiedFor: TokenProducer): Verdict {
    const nowMs = this.#clock.wallMs();
    const verdicts = new Map<TokenProducer, Verdict>();
    for (const producer of this.#producers) {
      if (producer.keySet === verifiedFor.keySet) verdicts.set(producer, verdictOf(producer.rule, signed, nowMs));
      else if (producer.rule.issuer !== signed.claims['iss']) verdicts.set(producer, NONE);
    }
    this.memory.remember(token.digest, { keys, expiresMs: expiryMs(signed.claims) ?? 0, verdicts });
    return verdicts.get(verifiedFor) ?? NONE;
  }
}

function verdictOf(rule: TokenRule, signed: TokenHead, nowMs: number): Verdict {
  if (!isFor(rule, signed, nowMs)) return NONE;
  const message = whyForbidden(rule, signed.claims);
  return message === null ? KNOWN : { kind: 'forbidden', message };
}
