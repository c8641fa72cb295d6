import type { IncomingMessage } from 'node:http';
import type { CredentialSettings } from '@sink/config';
import { type Credential, KNOWN, NONE, type Verdict } from './credential.ts';
import { canonicalName } from './distinguished-name.ts';

/** A client whose certificate was verified. */
export interface CertifiedClient {
  /** As in RFC 4514. */
  readonly subject: string;
  /** Its subject alternative names; `kind` as OpenSSL has it: `DNS`, `URI`. */
  readonly names: readonly { readonly kind: string; readonly value: string }[];
}

/** Who has the connection of a request, by its certificate; null: nobody that is known. Always the same object for one. */
export type ClientOf = (req: IncomingMessage) => CertifiedClient | null;

/**
 * A client certificate with one of these subjects, or one of these names. Only the certificate of the connection itself counts:
 * a proxy's header fields, which anybody can send, are never looked at.
 */
export class ClientCertificate implements Credential {
  /** No registered scheme names a certificate, and a 401 without any scheme is not allowed (RFC 9110, section 15.5.2). */
  readonly challenge = 'ClientCertificate realm="sink-aws-s3"';
  readonly #subjects: ReadonlySet<string>;
  readonly #names: ReadonlySet<string>;
  readonly #clientOf: ClientOf;
  readonly #judged = new WeakMap<CertifiedClient, Verdict>();

  constructor({ subjects, san }: Extract<CredentialSettings, { kind: 'mtls' }>, clientOf: ClientOf) {
    this.#subjects = new Set(subjects.map(canonicalName));
    this.#names = new Set(san.map((name) => (/^[a-z][a-z0-9+.-]*:/i.test(name) ? `URI ${name}` : dnsName(name))));
    this.#clientOf = clientOf;
  }

  check(req: IncomingMessage): Verdict {
    const client = this.#clientOf(req);
    if (client === null) return NONE;
    const known = this.#judged.get(client);
    if (known !== undefined) return known;
    const verdict = this.#isKnown(client) ? KNOWN : NONE;
    this.#judged.set(client, verdict);
    return verdict;
  }

  #isKnown({ subject, names }: CertifiedClient): boolean {
    if (this.#subjects.has(canonicalName(subject))) return true;
    return names.some(({ kind, value }) => this.#names.has(kind === 'DNS' ? dnsName(value) : `${kind} ${value}`));
  }
}

function dnsName(name: string): string {
  return `DNS ${name.toLowerCase()}`;
}
