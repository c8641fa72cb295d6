import { execFileSync } from 'node:child_process';
import type { FileContent } from '@sink/runtime';
import { expect, test } from 'vitest';
import { certificate, NAMES } from '../../test/tls-world.ts';
import { type Certificate, examineCertificate } from './certificate.ts';

const SETTINGS = { certFile: '/t/tls.crt', keyFile: '/t/tls.key', minVersion: '1.2', clientCaFile: null } as const;
const own = certificate();

function examine(
  cert: FileContent | string,
  key: FileContent | string = own.key,
  more: FileContent[] = [],
): Certificate {
  const contents = [cert, key].map((content) => (typeof content === 'string' ? { text: content } : content));
  const clientCaFile = more.length === 0 ? null : '/t/ca.crt';
  return examineCertificate({ ...SETTINGS, clientCaFile }, [...contents, ...more], Date.now());
}

const encrypted = execFileSync('openssl', ['pkey', '-aes256', '-passout', 'pass:hunter22'], {
  input: own.key,
}).toString();
const der = own.cert.replace(/-----[A-Z ]+-----/g, '');

test.each([
  [
    'a file that is missing',
    () => examine({ problem: 'it does not exist' }),
    'tls.cert_file /t/tls.crt does not exist: name a',
  ],
  ['no PEM', () => examine(der), 'tls.cert_file /t/tls.crt has no certificate in PEM: convert it with openssl x509'],
  [
    'a damaged one',
    () => examine(own.cert.replace('MII', 'MIJ')),
    'tls.cert_file /t/tls.crt has a damaged certificate, number 1',
  ],
  [
    'an expired one',
    () => {
      const old = certificate(NAMES, { days: -1 });
      return examine(old.cert, old.key);
    },
    /tls\.cert_file \/t\/tls\.crt expired at 20.*: renew/,
  ],
  [
    'the key of another one',
    () => examine(own.cert, certificate().key),
    'tls.key_file /t/tls.key is not the key of tls.cert_file',
  ],
  ['no key', () => examine(own.cert, own.cert), 'tls.key_file /t/tls.key has no private key in PEM: convert'],
  [
    'an encrypted key',
    () => examine(own.cert, encrypted),
    'tls.key_file /t/tls.key is encrypted: remove its passphrase',
  ],
  [
    'a key that may not be read',
    () => examine(own.cert, { problem: 'it cannot be read: EACCES' }),
    'tls.key_file /t/tls.key cannot be read: EACCES',
  ],
  [
    'authorities without PEM',
    () => examine(own.cert, own.key, [{ text: 'x' }]),
    'tls.client_ca_file /t/ca.crt has no certificate',
  ],
])('%s is refused with its key, its file and a remedy', (_what, attempt, message) => {
  expect(attempt).toThrow(message);
  expect(attempt).toThrow(expect.objectContaining({ retryable: false }));
});

test('a key that was given in place of its path is not shown', () => {
  const pasted = (): unknown =>
    examineCertificate({ ...SETTINGS, keyFile: own.key }, [{ text: own.cert }, { problem: 'it does not exist' }], 0);
  expect(pasted).toThrow('tls.key_file (no path) does not exist');
});

test('a chain that lacks a certificate, or has them in the wrong order, is in doubt, and is used', () => {
  const root = certificate();
  const between = certificate(['DNS:between'], { issuer: root });
  const leaf = certificate(NAMES, { issuer: between });
  const doubtOf = (...chain: string[]): string | null => examine(chain.join(''), leaf.key).doubt;
  expect(doubtOf(leaf.cert, between.cert, root.cert)).toBeNull();
  expect(doubtOf(leaf.cert, between.cert)).toMatch(/only clients that know its issuer/);
  expect(doubtOf(leaf.cert)).toMatch(/add the certificates between it and the root/);
  expect(doubtOf(leaf.cert, root.cert)).toMatch(/^certificate 2 of the file has not issued certificate 1/);
  expect(examine(own.cert)).toMatchObject({ doubt: null, validMs: 2 * 86_400_000 });
});
