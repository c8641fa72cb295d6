import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A certificate and its key, in PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateOptions {
  /** As OpenSSL writes it: `/O=Example/CN=billing`. Default: one that no other certificate has. */
  readonly subject?: string;
  /** Default 2; a certificate of -1 days has expired. */
  readonly days?: number;
  /** The authority that issues it. Default: itself. */
  readonly issuer?: Certificate;
}

/**
 * A certificate for these names (`DNS:s3.test`, `IP:127.0.0.1`), which may issue others; null where the machine has no
 * openssl. With openssl and not with a library, because it is on every machine that develops, and makes any certificate.
 */
export function makeCertificate(names: readonly string[], options: CertificateOptions = {}): Certificate | null {
  const { subject = `/CN=sink-${process.hrtime.bigint()}`, days = 2, issuer } = options;
  const directory = mkdtempSync(join(tmpdir(), 'sink-certificate-'));
  const file = (name: string, text?: string): string => {
    const path = join(directory, name);
    if (text !== undefined) writeFileSync(path, text);
    return path;
  };
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'ignore' });
  try {
    const [key, request, cert] = [file('key'), file('request'), file('cert')];
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    openssl('req', '-new', ...kind, '-subj', subject, '-keyout', key, '-out', request);
    const extensions = file('ext', `basicConstraints=CA:TRUE\nsubjectAltName=${names.join(',')}\n`);
    const by =
      issuer === undefined
        ? ['-key', key]
        : ['-CA', file('issuer', issuer.cert), '-CAkey', file('issuer-key', issuer.key)];
    openssl('x509', '-req', '-in', request, ...by, '-days', String(days), '-extfile', extensions, '-out', cert);
    return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
  } catch {
    return null;
  } finally {
    rmSync(directory, { recursive: true });
  }
}
