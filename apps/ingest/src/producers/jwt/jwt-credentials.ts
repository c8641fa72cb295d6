import type { JwtSettings } from '@sink/config';
import type { Clock } from '@sink/runtime';
import type { Credential } from '../credential.ts';
import type { OutgoingProxy } from './fetch-json.ts';
import { JwtJudge } from './jwt-judge.ts';
import { KeySet } from './key-set.ts';
import { fetchKeys, type KeySourceSettings, sourceId } from './key-source.ts';

export interface JwtPorts {
  readonly clock: Clock;
  readonly proxy: OutgoingProxy | null;
  /** Called when what is wrong with a credential may have changed. */
  readonly troubleChanged: () => void;
}

interface SharedKeySet {
  readonly issuer: string;
  readonly keySet: KeySet;
  readonly ended: AbortController;
  producers: number;
}

const CHALLENGE = 'Bearer realm="sink-aws-s3"';

/** Makes the credentials of producers that send JSON Web Tokens. Producers with the same source of keys share them. */
export class JwtCredentials {
  readonly #ports: JwtPorts;
  readonly #judge: JwtJudge;
  readonly #keySets = new Map<string, SharedKeySet>();

  constructor(ports: JwtPorts) {
    this.#ports = ports;
    this.#judge = new JwtJudge(ports.clock);
  }

  get keySets(): Iterable<Pick<SharedKeySet, 'issuer' | 'keySet'>> {
    return this.#keySets.values();
  }

  get tokensRemembered(): number {
    return this.#judge.memory.size;
  }

  /** Begins to fetch the keys of an issuer that no other producer has, and does not wait for them. */
  make(settings: JwtSettings): Credential {
    const id = sourceId(settings);
    const shared = this.#keySets.get(id) ?? this.#start(settings);
    this.#keySets.set(id, shared);
    shared.producers += 1;
    const { keySet } = shared;
    const producer = { rule: settings, keySet };
    this.#judge.add(producer);
    return {
      challenge: CHALLENGE,
      check: (req) => this.#judge.check(req, producer),
      get trouble() {
        return troubleOf(keySet);
      },
      close: () => {
        this.#judge.remove(producer);
        shared.producers -= 1;
        if (shared.producers > 0) return;
        shared.ended.abort();
        this.#keySets.delete(id);
      },
    };
  }

  #start(source: KeySourceSettings): SharedKeySet {
    const { clock, proxy, troubleChanged } = this.#ports;
    const ended = new AbortController();
    const keySet = new KeySet({
      fetch: (signal) => fetchKeys(source, proxy, signal),
      clock,
      changed: (before) => this.#judge.memory.forgetVerifiedWith(before),
      ended: () => {
        this.#judge.memory.forgetExpired(clock.wallMs());
        troubleChanged();
      },
    });
    void keySet.keepUntil(ended.signal);
    return { issuer: source.issuer, keySet, ended, producers: 0 };
  }
}

/** Tokens of keys that are known are let in all the same. */
function troubleOf({ failure, keys }: KeySet): string | null {
  if (failure === null) return null;
  return `${failure}; ${keys === null ? 'its tokens get 503' : 'the keys that were fetched before stay in force'}`;
}
