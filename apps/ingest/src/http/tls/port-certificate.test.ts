import { eventually } from '@sink/testing';
import { expect, test } from 'vitest';
import { certificate, startingIn, startTlsIngest, TlsClient, TlsFiles } from '../../test/tls-world.ts';

test('another certificate is used for new connections, while open ones go on', async () => {
  const files = new TlsFiles(certificate());
  const ingest = await startTlsIngest(files);
  const open = await TlsClient.connect(ingest.port);
  expect(await open.post()).toBe(202);
  files.write(certificate());
  await eventually(async () => {
    const next = await TlsClient.connect(ingest.port);
    expect(await next.post()).toBe(202);
    expect(next.shown).not.toBe(open.shown);
  });
  expect(await open.post()).toBe(202);
  expect(ingest.logged.filter(({ text }) => text.startsWith('the files of TLS have changed'))).toHaveLength(1);
});

test('a broken pair leaves the certificate in use, is told everywhere, and is forgotten when it is mended', async () => {
  const [own, next] = [certificate(), certificate()];
  const files = new TlsFiles(own);
  const ingest = await startTlsIngest(files);
  const shown = async (): Promise<string> => (await TlsClient.connect(ingest.port)).shown;
  const before = await shown();
  files.write({ ...next, key: own.key });
  await eventually(async () => expect(await ingest.tlsMetric('sink_ingest_certificate_rejected')).toBe(1));
  expect(ingest.portReadiness.problems()).toEqual({});
  const { tls_files: warning } = ingest.portReadiness.warnings();
  expect(warning).toMatch(
    /tls\.key_file .* is not the key of tls\.cert_file.*\. The certificate in use stays until 20/,
  );
  expect(ingest.portReadiness.warningsForStrangers()['tls_files']).toMatch(
    /^The files of TLS are refused\. The certificate in use stays until 20[-:.\dTZ]+\.$/,
  );
  expect(ingest.logged).toEqual([
    {
      level: 'error',
      text: expect.stringMatching(/^changed files of TLS are refused; the certificate in use stays/) as string,
    },
  ]);
  expect(JSON.stringify([warning, ingest.logged])).not.toContain('BEGIN');
  expect(await shown()).toBe(before);

  files.write(next);
  await eventually(async () => expect(await ingest.tlsMetric('sink_ingest_certificate_rejected')).toBe(0));
  expect(ingest.portReadiness.warnings()).toEqual({});
  expect(await shown()).not.toBe(before);
});

test('days until the expiry are a metric; when it has come the port is not ready, until there is another certificate', async () => {
  const files = new TlsFiles(certificate());
  const ingest = await startTlsIngest(files);
  const left = (): Promise<number> => ingest.tlsMetric('sink_ingest_certificate_days_left');
  expect(await ingest.tlsMetric('sink_ingest_certificate_days')).toBe(2);
  expect(await left()).toBeCloseTo(2, 2);
  ingest.daysAhead.days = 3;
  expect(await left()).toBeCloseTo(-1, 2);
  await eventually(() =>
    expect(ingest.portReadiness.problems()['tls']).toMatch(/^the certificate of the port expired at 20/),
  );
  expect(await (await TlsClient.connect(ingest.port)).post()).toBe(202);
  files.write(certificate(['IP:127.0.0.1'], { days: 10 }));
  await eventually(() => expect(ingest.portReadiness.problems()).toEqual({}));
});

test.each([
  ['it is valid', 2, 10],
  ['the one in use has expired', 10, 20],
])('a certificate that is not valid yet is used once %s', async (_when, startsIn, days) => {
  const files = new TlsFiles(certificate(undefined, { days: 5 }));
  const ingest = await startTlsIngest(files);
  const shown = async (): Promise<string> => (await TlsClient.connect(ingest.port)).shown;
  const before = await shown();
  files.write(startingIn(startsIn, certificate(undefined, { days })));
  await eventually(async () => expect(await ingest.tlsMetric('sink_ingest_certificate_rejected')).toBe(1));
  expect(await shown()).toBe(before);
  expect(ingest.portReadiness.warnings()['tls_files']).toMatch(
    /tls\.cert_file .* is not valid before 20.*: it is used then\. The certificate in use stays until 20/,
  );
  expect(ingest.logged.map(({ level }) => level)).toEqual(['error']);

  ingest.daysAhead.days = Math.min(startsIn, 5) + 0.01;
  await eventually(async () => expect(await ingest.tlsMetric('sink_ingest_certificate_rejected')).toBe(0));
  expect(ingest.portReadiness.warnings()).toEqual({});
  expect(ingest.portReadiness.problems()).toEqual({});
  expect(await shown()).not.toBe(before);
});
