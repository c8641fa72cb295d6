import type { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** A client whose certificate an authority of tls.client_ca_file has issued. */
export interface VerifiedClient {
  /** As in RFC 4514, which `openssl x509 -nameopt RFC2253` prints: the most specific part first (`CN=billing,O=Example`). */
  readonly subject: string;
  readonly names: readonly SubjectAltName[];
}

/** `kind` as OpenSSL names it: `DNS`, `URI`, `email`, `IP Address` and others. */
export interface SubjectAltName {
  readonly kind: string;
  readonly value: string;
}

interface Seen {
  readonly client: VerifiedClient;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** By connection: a certificate is read once. Null: there is none that verifies. */
const seen = new WeakMap<Socket, Seen | null>();

/**
 * Who has sent the request, by the certificate of its connection; null: there is none, or it does not verify, or it has
 * expired since. Header fields, which a proxy may add, are never looked at.
 */
export function verifiedClient({ socket }: IncomingMessage, nowMs = Date.now()): VerifiedClient | null {
  if (!(socket instanceof TLSSocket)) return null;
  let known = seen.get(socket);
  if (known === undefined) {
    known = read(socket);
    seen.set(socket, known);
  }
  if (known === null || nowMs < known.notBeforeMs || nowMs > known.notAfterMs) return null;
  return known.client;
}

function read(socket: TLSSocket): Seen | null {
  if (!socket.authorized) return null;
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return null;
  return {
    client: { subject: subjectOf(certificate), names: namesOf(certificate.subjectAltName ?? '') },
    notBeforeMs: certificate.validFromDate.getTime(),
    notAfterMs: certificate.validToDate.getTime(),
  };
}

/** Node gives one part a line, in the order of the certificate, with special characters escaped; of an empty one nothing. */
function subjectOf({ subject = '' }: Partial<Pick<X509Certificate, 'subject'>>): string {
  return subject.split('\n').reverse().join(',');
}

/** `DNS:a, URI:spiffe://b`; a value with a comma or worse is a JSON string. */
function namesOf(text: string): readonly SubjectAltName[] {
  return [...text.matchAll(/([^:,]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/g)].map(([, kind = '', value = '']) => ({
    kind,
    value: value.startsWith('"') ? (JSON.parse(value) as string) : value,
  }));
}
