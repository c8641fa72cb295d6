import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import { verifiedClient } from '../http/tls/verified-client.ts';
import { RAW_BINARY } from '../test/harness.ts';
import { producersOf } from '../test/producers-world.ts';
import { certificate, startTlsIngest, TlsClient, TlsFiles } from '../test/tls-world.ts';
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

const EVENT = '{"specversion":"1.0","id":"1","source":"/s","type":"t"}';
const JSON_EVENT = 'POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/cloudevents';
/** Each content mode, as it is sent. */
const MODES = [
  `POST / HTTP/1.1\r\n${RAW_BINARY}HEADERSContent-Length: 0\r\n\r\n`,
  `${JSON_EVENT}+json\r\nHEADERSContent-Length: ${EVENT.length}\r\n\r\n${EVENT}`,
  `${JSON_EVENT}-batch+json\r\nHEADERSContent-Length: ${EVENT.length + 2}\r\n\r\n[${EVENT}]`,
] as const;

test('the matrix of mtls: right, wrong, missing, of another authority, expired, and what a proxy would forward', async () => {
  const ca = certificate(['DNS:ca'], { subject: '/CN=ca' });
  const otherCa = certificate(['DNS:ca'], { subject: '/CN=ca' });
  const own = certificate();
  const subject = '/O=Example, Inc/CN=billing';
  const clients = {
    bySubject: certificate(['DNS:x'], { subject, issuer: ca }),
    byName: certificate(['URI:spiffe://mesh/orders'], { subject: '/CN=y', issuer: ca }),
    wrong: certificate(['DNS:x'], { subject: '/CN=billing', issuer: ca }),
    otherAuthority: certificate(['URI:spiffe://mesh/orders'], { subject, issuer: otherCa }),
    expired: certificate(['DNS:x'], { subject, issuer: ca, days: -1 }),
  };
  const given = [
    { name: 'p', mtls: { subjects: ['CN=billing, O=Example\\, Inc'], san: ['spiffe://mesh/orders'] } },
    { name: 'q', bearer: { tokens: ['t'] } },
  ];
  const producers = producersOf(given, (req) => verifiedClient(req));
  const ingest = await startTlsIngest(new TlsFiles(own, ca.cert), { producers });
  const statuses = async (client: { cert: string; key: string } | null, headers = ''): Promise<number[]> => {
    const all: number[] = [];
    for (const mode of MODES) {
      const connection = await TlsClient.connect(ingest.port, client ?? {});
      connection.socket.write(mode.replace('HEADERS', headers));
      await expect.poll(() => connection.text).toMatch(/^HTTP/);
      all.push(Number(connection.text.slice(9, 12)));
    }
    return all;
  };
  expect(await statuses(clients.bySubject)).toEqual([202, 202, 202]);
  expect(await statuses(clients.byName)).toEqual([202, 202, 202]);
  expect(await ingest.metric('sink_ingest_producer_requests_accepted_total{producer="p"}')).toBe(6);
  for (const client of [clients.wrong, clients.otherAuthority, clients.expired, null]) {
    expect(await statuses(client)).toEqual([401, 401, 401]);
  }
  const forwarded =
    'X-Forwarded-Client-Cert: Subject="CN=billing,O=Example\\, Inc";URI=spiffe://mesh/orders\r\nX-SSL-Client-S-DN: CN=billing\r\nClient-Cert: :MIIB:\r\n';
  expect(await statuses(clients.wrong, forwarded)).toEqual([401, 401, 401]);
  expect(await statuses(clients.wrong, 'Authorization: Bearer t\r\n')).toEqual([202, 202, 202]);
  const label = '{producer="_unknown",reason="credentials"}';
  expect(await ingest.metric(`sink_ingest_producer_requests_refused_total${label}`)).toBe(15);
});
