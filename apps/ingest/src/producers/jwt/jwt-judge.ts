import type { IncomingMessage } from 'node:http';
import type { Clock } from '@sink/runtime';
import { KNOWN, NONE, type Verdict } from '../credential.ts';
import type { KeySet } from './key-set.ts';
import type { Keys, Signature } from './keys.ts';
import { presentedToken, type PresentedToken, type TokenHead } from './token.ts';
import { TokenMemory } from './token-memory.ts';
import { expiryMs, isFor, type TokenRule, whyForbidden } from './token-rule.ts';

const TWICE: Verdict = { kind: 'twice', what: 'the header Authorization' };
const NO_KEY: Verdict = {
  kind: 'unavailable',
  message: 'the key of the token could not be fetched: send this request again',
};

/** What the keys of an issuer say about the token of a request. `unknown key`: none is the one that it names. */
type Outcome = Signature | { readonly kind: 'failed' };

/** One request, for the producers that have one issuer: it waits once, and its signature is verified once. */
interface Sight {
  /** How many fetches had begun when it came. */
  readonly begunBefore: number;
  outcome: Promise<Outcome> | null;
}

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
  /** Of requests whose token is not remembered. */
  readonly #sights = new WeakMap<IncomingMessage, Map<KeySet, Sight>>();
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
    return this.#judge(req, token, token.head, producer);
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
  async #judge(
    req: IncomingMessage,
    token: PresentedToken,
    head: TokenHead,
    producer: TokenProducer,
  ): Promise<Verdict> {
    const { keySet, rule } = producer;
    const sight = this.#sightOf(req, head, keySet);
    sight.outcome ??= this.#verify(token, keySet, sight.begunBefore);
    const outcome = await sight.outcome;
    if (outcome.kind === 'failed') return NO_KEY;
    return outcome.kind === 'good' ? verdictOf(rule, outcome, this.#clock.wallMs()) : NONE;
  }

  /** Its moment of arrival counts for all the key sets of the issuer, whichever of them makes it wait first. */
  #sightOf(req: IncomingMessage, { claims }: TokenHead, wanted: KeySet): Sight {
    let sights = this.#sights.get(req);
    if (sights === undefined) {
      sights = new Map<KeySet, Sight>();
      for (const { keySet, rule } of this.#producers) {
        if (rule.issuer === claims['iss']) sights.set(keySet, sightOf(keySet));
      }
      this.#sights.set(req, sights);
    }
    // The configuration may have got it while the request waited.
    const sight = sights.get(wanted) ?? sightOf(wanted);
    sights.set(wanted, sight);
    return sight;
  }

  /** Never rejects. */
  async #verify(token: PresentedToken, keySet: KeySet, begunBefore: number): Promise<Outcome> {
    for (;;) {
      const { keys, confirmedBy } = keySet;
      if (keys !== null) {
        const signature = await keys.verify(token);
        // Meanwhile the issuer has published others.
        if (keys !== keySet.keys) continue;
        if (signature.kind === 'good') this.#remember(token, signature, keys, keySet);
        // Some issuers give a new key the name of the old one.
        if (signature.kind === 'bad') keySet.fetchSoon();
        // Only a fetch that began after the request came can say that there is no such key.
        if (signature.kind !== 'unknown key' || confirmedBy > begunBefore) return signature;
      }
      const fetched = await keySet.fetched();
      if (fetched.kind === 'failed') return fetched;
    }
  }

  /** Keeps what follows from the token for each producer, and not the token. */
  #remember(token: PresentedToken, signed: TokenHead, keys: Keys, keySet: KeySet): void {
    const nowMs = this.#clock.wallMs();
    const verdicts = new Map<TokenProducer, Verdict>();
    for (const producer of this.#producers) {
      if (producer.keySet === keySet) verdicts.set(producer, verdictOf(producer.rule, signed, nowMs));
      else if (producer.rule.issuer !== signed.claims['iss']) verdicts.set(producer, NONE);
    }
    this.memory.remember(token.digest, { keys, expiresMs: expiryMs(signed.claims) ?? 0, verdicts });
  }
}

function sightOf({ begun }: KeySet): Sight {
  return { begunBefore: begun, outcome: null };
}

function verdictOf(rule: TokenRule, signed: TokenHead, nowMs: number): Verdict {
  if (!isFor(rule, signed, nowMs)) return NONE;
  const message = whyForbidden(rule, signed.claims);
  return message === null ? KNOWN : { kind: 'forbidden', message };
}
