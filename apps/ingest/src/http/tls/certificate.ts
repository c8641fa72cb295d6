import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext, rootCertificates, type SecureContextOptions } from 'node:tls';
import type { FileContent } from '@sink/runtime';

/** TLS of the port, as it is configured. */
export interface TlsSettings {
  readonly certFile: string;
  readonly keyFile: string;
  readonly minVersion: '1.2' | '1.3';
  /** Null: clients are asked for no certificate. */
  readonly clientCaFile: string | null;
}

/** What the port can be opened with. */
export interface Certificate {
  readonly context: SecureContextOptions & { readonly key: string; readonly ca?: string };
  /** The names that it is for. */
  readonly names: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** From its first to its last day. */
  readonly validMs: number;
  /** Why not every client may accept it; null: there is no sign of that. */
  readonly doubt: string | null;
}

/** The port cannot be opened with these files. The message has no part of them. */
export class TlsUnfit extends Error {
  override readonly name = 'TlsUnfit';
  readonly code = 'tls_unfit';
  readonly retryable = false;
  /** When the same files can be used. Null: never. */
  readonly fitFromMs: number | null;

  constructor(message: string, fitFromMs: number | null = null) {
    super(message);
    this.fitFromMs = fitFromMs;
  }
}

const BLOCK = /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g;
/** A file name is no longer; what is may be a key that was put in the place of its path. */
const PATH_LENGTH_MAX = 300;

type Key = 'tls.cert_file' | 'tls.key_file' | 'tls.client_ca_file';

/** The paths of the files, in the order in which their contents are examined. */
export function tlsFiles({ certFile, keyFile, clientCaFile }: TlsSettings): readonly string[] {
  return clientCaFile === null ? [certFile, keyFile] : [certFile, keyFile, clientCaFile];
}

/**
 * One that is not valid yet does not take the place of one in use that is.
 *
 * @throws TlsUnfit
 */
export function examineCertificate(
  settings: TlsSettings,
  [certContent, keyContent, caContent]: readonly FileContent[],
  nowMs: number,
  inUse: Certificate | null = null,
): Certificate {
  const { certFile, keyFile, clientCaFile } = settings;
  const certFails = (found: string, remedy: string): TlsUnfit => unfit('tls.cert_file', certFile, found, remedy);
  const keyFails = (found: string, remedy: string): TlsUnfit => unfit('tls.key_file', keyFile, found, remedy);

  const cert = textOf('tls.cert_file', certFile, certContent);
  const [leaf, ...issuers] = chainIn('tls.cert_file', certFile, cert);
  if (leaf === undefined) throw certFails('has no certificate in PEM', 'convert it with openssl x509');
  const keyText = textOf('tls.key_file', keyFile, keyContent);
  const key = keyIn(keyText, keyFails);
  if (!leaf.checkPrivateKey(key)) {
    throw keyFails('is not the key of tls.cert_file', 'give both of the same certificate, the one of the port first');
  }
  if (leaf.validToDate.getTime() <= nowMs) {
    throw certFails(`expired at ${leaf.validToDate.toISOString()}`, 'renew the certificate');
  }
  const ca = clientCaFile === null ? null : textOf('tls.client_ca_file', clientCaFile, caContent);
  if (ca !== null && clientCaFile !== null && chainIn('tls.client_ca_file', clientCaFile, ca).length === 0) {
    throw unfit('tls.client_ca_file', clientCaFile, 'has no certificate in PEM', 'convert it with openssl x509');
  }
  const context = {
    cert,
    key: keyText,
    ...(ca === null ? {} : { ca }),
    minVersion: `TLSv${settings.minVersion}`,
  } as const;
  try {
    createSecureContext(context);
  } catch (error) {
    // Such as a key that is too short for OpenSSL.
    throw certFails(`is refused by OpenSSL (${reasonOf(error)})`, 'renew the certificate with a usual key');
  }
  const notBeforeMs = leaf.validFromDate.getTime();
  const notYet = notBeforeMs > nowMs ? `it is valid from ${leaf.validFromDate.toISOString()} on` : null;
  if (notYet !== null && inUse !== null && inUse.notBeforeMs <= nowMs && nowMs < inUse.notAfterMs) {
    const { message } = certFails(`is not valid before ${leaf.validFromDate.toISOString()}`, 'it is used then');
    throw new TlsUnfit(message, Math.min(notBeforeMs, inUse.notAfterMs));
  }
  return {
    context,
    names: leaf.subjectAltName ?? leaf.subject,
    notBeforeMs,
    notAfterMs: leaf.validToDate.getTime(),
    validMs: leaf.validToDate.getTime() - notBeforeMs,
    doubt: notYet ?? doubtOf([leaf, ...issuers]),
  };
}

function textOf(key: Key, file: string, content: FileContent | undefined): string {
  if (content !== undefined && 'text' in content) return content.text;
  throw unfit(key, file, content?.problem.replace(/^it /, '') ?? 'was not read', 'name a readable file');
}

function chainIn(key: Key, file: string, text: string): X509Certificate[] {
  return [...text.matchAll(BLOCK)].map(([pem], index) => {
    try {
      return new X509Certificate(pem);
    } catch {
      throw unfit(key, file, `has a damaged certificate, number ${index + 1}`, 'write the file again');
    }
  });
}

function keyIn(text: string, fails: (found: string, remedy: string) => TlsUnfit): KeyObject {
  if (text.includes('ENCRYPTED')) {
    throw fails('is encrypted', 'remove its passphrase with openssl pkey, and let only the sink read the file');
  }
  try {
    return createPrivateKey(text);
  } catch {
    throw fails('has no private key in PEM', 'convert it with openssl pkey');
  }
}

/** A client that lacks a certificate between the port's and a root that it knows refuses the connection. */
function doubtOf(chain: readonly X509Certificate[]): string | null {
  const wrong = chain.findIndex((one, index) => {
    const next = chain[index + 1];
    return next !== undefined && !one.checkIssued(next);
  });
  if (wrong >= 0) {
    return `certificate ${wrong + 2} of the file has not issued certificate ${wrong + 1}: put the port's first, then each issuer`;
  }
  const last = chain.at(-1);
  if (last === undefined || last.checkIssued(last)) return null;
  if (rootCertificates.some((pem) => last.checkIssued(new X509Certificate(pem)))) return null;
  return `only clients that know its issuer accept it (${last.issuer.replaceAll('\n', ', ')}): add the certificates between it and the root to the file`;
}

function unfit(key: Key, file: string, found: string, remedy: string): TlsUnfit {
  const isPath = file.length <= PATH_LENGTH_MAX && !/-----|[\r\n]/.test(file);
  return new TlsUnfit(`TLS of the port: ${key} ${isPath ? file : '(no path)'} ${found}: ${remedy}`);
}

/** OpenSSL's reason: `ee key too small`. Its messages have no content of a file. */
function reasonOf(error: unknown): string {
  const reason: unknown = error instanceof Error && 'reason' in error ? error.reason : undefined;
  return typeof reason === 'string' ? reason : 'unknown reason';
}
