import type { IncomingMessage } from 'node:http';
import type { SecretSource } from '@sink/config';
import { type Credential, KNOWN, NONE, type Verdict } from './credential.ts';
import { type Place, TWICE } from './places.ts';
import { SecretLines, type SecretLinesPorts } from './secret-lines.ts';

/** A secret that the producer sends as it is: a password or a token, in a header or in the query. */
export class SharedSecret implements Credential {
  readonly challenge: string;
  readonly #place: Place;
  readonly #secrets: SecretLines;
  #digests: ReadonlySet<string> = new Set();

  /** @param digestOf the digest that the place finds for a secret of the source */
  constructor(
    challenge: string,
    place: Place,
    source: SecretSource,
    digestOf: (secret: string) => string,
    ports: SecretLinesPorts,
  ) {
    this.challenge = challenge;
    this.#place = place;
    this.#secrets = new SecretLines(source, ports, (lines) => {
      this.#digests = new Set(lines.map(digestOf));
    });
  }

  get trouble(): string | null {
    return this.#secrets.trouble;
  }

  check(req: IncomingMessage): Verdict {
    const found = this.#place.find(req);
    if (found === TWICE) return { kind: 'twice', what: this.#place.what };
    return found !== null && this.#digests.has(found) ? KNOWN : NONE;
  }

  close(): void {
    this.#secrets.close();
  }
}
