import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { eventually } from '@sink/testing';
import { expect, onTestFinished, test } from 'vitest';
import { certificate, NAMES, startTlsIngest, TlsClient, TlsFiles, type TlsIngest } from '../../test/tls-world.ts';
import { verifiedClient, type VerifiedClient } from './verified-client.ts';

const own = certificate();

async function resumes(from: TlsIngest, to: TlsIngest, maxVersion: 'TLSv1.2' | 'TLSv1.3'): Promise<boolean> {
  const first = await TlsClient.connect(from.port, { maxVersion });
  await first.post();
  await eventually(() => expect(first.session).toBeDefined());
  const { session } = first;
  if (session === undefined) throw new Error('there is no session');
  const second = await TlsClient.connect(to.port, { maxVersion, session });
  expect(await second.post()).toBe(202);
  return second.socket.isSessionReused();
}

test.each(['TLSv1.2', 'TLSv1.3'] as const)(
  'a session goes on at another worker of the port, and never beyond: %s',
  async (version) => {
    const one = await startTlsIngest(new TlsFiles(own));
    const other = await startTlsIngest(new TlsFiles(own));
    const elsewhere = await startTlsIngest(new TlsFiles(own), { ticketSalt: 'of another start' });
    expect(await resumes(one, one, version)).toBe(true);
    expect(await resumes(one, other, version)).toBe(true);
    expect(await resumes(one, elsewhere, version)).toBe(false);
  },
);

test('a session ends with the authorities that have verified its client', async () => {
  const files = new TlsFiles(own, certificate().cert);
  const ingest = await startTlsIngest(files);
  const first = await TlsClient.connect(ingest.port);
  await first.post();
  await eventually(() => expect(first.session).toBeDefined());
  const resumed = async (): Promise<boolean> => {
    const { session } = first;
    const client = await TlsClient.connect(ingest.port, session === undefined ? {} : { session });
    return client.socket.isSessionReused();
  };
  expect(await resumed()).toBe(true);
  files.writeClientCa(certificate().cert);
  await eventually(async () => expect(await resumed()).toBe(false));
});

/** Asks a server of node:https with these authorities who its client is. */
async function serverThatSeesClients(
  ca: string,
  nowMs: () => number | undefined,
): Promise<(options: object) => Promise<{ client: VerifiedClient | null; session: Buffer | undefined }>> {
  const sees: (VerifiedClient | null)[] = [];
  const server = createServer({ ...own, ca, requestCert: true, rejectUnauthorized: false }, (req, res) => {
    sees.push(verifiedClient(req, nowMs()));
    res.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return async (options) => {
    const client = await TlsClient.connect((server.address() as AddressInfo).port, options);
    expect(await client.post()).toBe(200);
    return { client: sees.at(-1) ?? null, session: client.session };
  };
}

test('a client is known by a certificate that verifies, also in a session that goes on, and by nothing else', async () => {
  const authority = certificate();
  const names = ['DNS:billing.test', 'URI:spiffe://example/billing', 'email:a@b.c', 'IP:10.0.0.1'];
  const billing = certificate(names, { issuer: authority, subject: '/C=US/O=Ex, Inc/CN=billing' });
  const clock: { nowMs?: number } = {};
  const ask = await serverThatSeesClients(authority.cert, () => clock.nowMs);
  const known = {
    subject: String.raw`CN=billing,O=Ex\, Inc,C=US`,
    names: [
      { kind: 'DNS', value: 'billing.test' },
      { kind: 'URI', value: 'spiffe://example/billing' },
      { kind: 'email', value: 'a@b.c' },
      { kind: 'IP Address', value: '10.0.0.1' },
    ],
  };
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3']) {
    const first = await ask({ ...billing, maxVersion });
    expect(first.client).toEqual(known);
    expect((await ask({ maxVersion, session: first.session })).client).toEqual(known);
    for (const stranger of [
      {},
      certificate(names, { subject: '/CN=billing' }),
      certificate(NAMES, { issuer: authority, days: -1 }),
    ]) {
      const asked = await ask({ ...stranger, maxVersion });
      expect(asked.client).toBeNull();
      expect((await ask({ maxVersion, session: asked.session })).client).toBeNull();
    }
  }
  // As workloads of SPIFFE may have it.
  const nameless = certificate(['URI:spiffe://example/a'], { issuer: authority, subject: '/' });
  expect((await ask(nameless)).client).toEqual({ subject: '', names: [{ kind: 'URI', value: 'spiffe://example/a' }] });
  clock.nowMs = Date.now() + 3 * 86_400_000;
  expect((await ask(billing)).client, 'it has expired since').toBeNull();
});
