import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import { canonicalName } from './distinguished-name.ts';
import { type CertifiedClient, ClientCertificate } from './mtls.ts';

test('two spellings of a distinguished name are the same name, and other names are not', () => {
  for (const [one, other] of [
    ['CN=billing,O=Example', 'cn=billing, O = Example'],
    ['CN=a\\,b', 'CN=a\\2Cb'],
    ['CN=é', 'CN=\\C3\\A9'],
    ['CN=a+OU=b,O=c', 'OU=b + CN=a,O=c'],
    ['CN=a\\ ', 'CN=a\\20'],
  ] as const) {
    expect(canonicalName(one), one).toBe(canonicalName(other));
  }
  for (const [one, other] of [
    ['CN=billing,O=Example', 'O=Example,CN=billing'],
    ['CN=billing', 'CN=Billing'],
    ['CN=a,O=b', 'CN=a\\,O=b'],
    ['CN=a', 'CN=a,CN=a'],
    ['CN=a', 'OU=a'],
  ] as const) {
    expect(canonicalName(one), one).not.toBe(canonicalName(other));
  }
});

test('a certificate is known by its subject, or by one of its names; URIs and DNS names are not mixed up', () => {
  const credential = new ClientCertificate(
    { kind: 'mtls', subjects: ['CN=billing,O=Example'], san: ['spiffe://a/b', 'Billing.example'] },
    (req) => req as unknown as CertifiedClient | null,
  );
  const kind = (client: CertifiedClient | null): string => credential.check(client as unknown as IncomingMessage).kind;
  const named = (...names: readonly (readonly [string, string])[]): CertifiedClient => ({
    subject: '',
    names: names.map(([kind_, value]) => ({ kind: kind_, value })),
  });
  expect(kind({ subject: 'CN=billing,O=Example', names: [] })).toBe('known');
  expect(kind(named(['DNS', 'other'], ['URI', 'spiffe://a/b']))).toBe('known');
  expect(kind(named(['DNS', 'billing.example']))).toBe('known');
  expect(kind(null)).toBe('none');
  expect(kind({ subject: 'CN=billing', names: [] })).toBe('none');
  expect(kind(named(['DNS', 'spiffe://a/b'], ['URI', 'billing.example'], ['email', 'billing.example']))).toBe('none');
  expect(kind(named(['URI', 'spiffe://a/B'], ['DNS', '*.example']))).toBe('none');
});
