import type { IncomingMessage } from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import type { CredentialSettings, ProducerSettings } from '@sink/config';
import { assertNever } from '@sink/domain';
import type { Refusal } from '../http/answers.ts';
import type { Credential, Verdict } from './credential.ts';
import { type CredentialPorts, makeCredential } from './make-credential.ts';
import { Only } from './only.ts';
import { Places } from './places.ts';
import { forbidden, givenTwice, keysAway, unauthorized } from './refusals.ts';

/** Who may send events. */
export interface Producer {
  readonly name: string;
  readonly credential: Credential;
  readonly limits: ProducerSettings['limits'];
  /** Null: any event. */
  readonly only: Only | null;
}

export interface Known {
  readonly kind: 'known';
  readonly producer: Producer;
}

export interface Refused {
  readonly kind: 'refused';
  /** Null: the request matches none. */
  readonly producer: Producer | null;
  readonly refusal: Refusal;
}

interface Candidate {
  readonly producer: Producer;
  readonly verify: (body: Buffer) => boolean;
}

/** Who has sent a request: known by its body only, if it is signed. Then the first whose signature is right counts. */
export interface Signed {
  readonly kind: 'signed';
  readonly candidates: readonly [Candidate, ...Candidate[]];
  /** What holds if none of them is right. */
  readonly otherwise: Known | Refused;
}

export type Identified = Known | Refused | Signed;

const CHANGED: Refused = {
  kind: 'refused',
  producer: null,
  refusal: keysAway('the configuration has changed meanwhile: send this request again'),
};

/** What the credentials of the list say of one request so far. */
interface Judgement {
  readonly candidates: Candidate[];
  refused: Refused | null;
}

/** The producers of the configuration. Without any, whoever reaches the port may send, and nothing here runs. */
export class Producers {
  readonly #ports: CredentialPorts;
  readonly #places: Places;
  #list: readonly (Producer & { readonly settings: CredentialSettings })[] = [];
  #stranger: Refused = { kind: 'refused', producer: null, refusal: unauthorized([]) };

  /** @param salt random text of this process */
  constructor(ports: CredentialPorts, salt: string) {
    this.#ports = ports;
    this.#places = new Places(salt);
  }

  get isOpen(): boolean {
    return this.#list.length === 0;
  }

  /** Names, in lower case, of headers whose value is a token: nothing may keep them. */
  get secretHeaders(): ReadonlySet<string> {
    return this.#places.secretHeaders;
  }

  get list(): readonly Producer[] {
    return this.#list;
  }

  /** The answer to a request with no or wrong credentials. */
  get stranger(): Refused {
    return this.#stranger;
  }

  /** Takes the producers of the configuration. Those whose credential has not changed keep what it knows. */
  set(all: readonly ProducerSettings[]): void {
    const before = this.#list;
    this.#list = all.map(({ name, credential: settings, limits, only }) => {
      const same = before.find((one) => one.name === name && isDeepStrictEqual(one.settings, settings));
      const credential = same?.credential ?? makeCredential(settings, this.#places, this.#ports);
      const sameLimits = same !== undefined && isDeepStrictEqual(same.limits, limits);
      return { name, settings, credential, limits: sameLimits ? same.limits : limits, only: Only.of(only) };
    });
    const kept = new Set(this.#list.map(({ credential }) => credential));
    for (const { credential } of before) if (!kept.has(credential)) credential.close?.();
    const refusal = unauthorized([...new Set(this.#list.map(({ credential }) => credential.challenge))]);
    this.#stranger = { kind: 'refused', producer: null, refusal };
    this.#ports.troubleChanged();
  }

  /** What is wrong with credentials, by producer. */
  *troubles(): Generator<readonly [producer: string, trouble: string]> {
    for (const { name, credential } of this.#list) {
      if (credential.trouble != null) yield [name, credential.trouble];
    }
  }

  /** The first producer of the list whose credential matches. A promise only where a credential has to wait. */
  identify(req: IncomingMessage): Identified | Promise<Identified> {
    return this.#judge(req, this.#list, 0, { candidates: [], refused: null });
  }

  close(): void {
    for (const { credential } of this.#list) credential.close?.();
  }

  #judge(
    req: IncomingMessage,
    list: readonly Producer[],
    from: number,
    judgement: Judgement,
  ): Identified | Promise<Identified> {
    for (let at = from; at < list.length; at++) {
      const producer = list[at];
      if (producer === undefined) break;
      const verdict = producer.credential.check(req);
      if (verdict instanceof Promise) {
        return verdict.then((waited) => {
          // The configuration has changed meanwhile: what it says now counts.
          if (list !== this.#list) return this.isOpen ? CHANGED : this.identify(req);
          return this.#take(producer, waited, judgement) ?? this.#judge(req, list, at + 1, judgement);
        });
      }
      const identified = this.#take(producer, verdict, judgement);
      if (identified !== null) return identified;
    }
    return this.#concluded(judgement, judgement.refused ?? this.#stranger);
  }

  /** Null: the next one has to be asked. */
  #take(producer: Producer, verdict: Verdict, judgement: Judgement): Identified | null {
    switch (verdict.kind) {
      case 'none':
        return null;
      case 'known':
        return this.#concluded(judgement, { kind: 'known', producer });
      case 'signed':
        judgement.candidates.push({ producer, verify: verdict.verify });
        return null;
      case 'twice':
        return { kind: 'refused', producer: null, refusal: givenTwice(verdict.what, this.#stranger.refusal) };
      case 'forbidden':
        judgement.refused ??= { kind: 'refused', producer, refusal: forbidden(verdict.message) };
        return null;
      case 'unavailable':
        // It may be this producer's: a 403 would say that it is not.
        judgement.refused = { kind: 'refused', producer, refusal: keysAway(verdict.message) };
        return null;
      default:
        return assertNever(verdict);
    }
  }

  #concluded({ candidates }: Judgement, otherwise: Known | Refused): Identified {
    const [first, ...others] = candidates;
    return first === undefined ? otherwise : { kind: 'signed', candidates: [first, ...others], otherwise };
  }
}
