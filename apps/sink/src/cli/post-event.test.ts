import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type Certificate, makeCertificate, temporaryDirectory } from '@sink/testing';
import { expect, onTestFinished, test } from 'vitest';
import { post } from './post-event.ts';

function certificate(): Certificate {
  const made = makeCertificate(['DNS:events.example.com']);
  if (made === null) throw new Error('this test needs openssl');
  return made;
}

test('an event is posted by HTTPS to the port with the certificate of the configuration, by any name, and to no other', async () => {
  const own = certificate();
  const bodies: string[] = [];
  const server = createServer(own, (req, res) => {
    req.on('data', (data: Buffer) => bodies.push(data.toString()));
    req.on('end', () => res.writeHead(202).end('taken'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const file = join(temporaryDirectory('certificate'), 'tls.crt');
  const address = `https://localhost:${(server.address() as AddressInfo).port}/`;
  const posted = (certFile: string | null): Promise<unknown> =>
    post(address, {
      headers: { 'Content-Type': 'text/plain' },
      body: 'event',
      certFile,
      signal: AbortSignal.timeout(5_000),
    });

  writeFileSync(file, own.cert + certificate().cert);
  expect(await posted(file)).toEqual({ status: 202, said: 'taken' });
  writeFileSync(file, certificate().cert);
  await expect(posted(file)).rejects.toThrow('the port shows another certificate than the one in tls.cert_file');
  await expect(posted(null)).rejects.toThrow();
  expect(bodies).toEqual(['event']);
});

test('a redirect is not followed, because the request may have a secret', async () => {
  const asked: unknown[] = [];
  const server = createHttpServer((req, res) => {
    asked.push([req.url, req.headers['x-api-key']]);
    res.writeHead(307, { Location: '/elsewhere' }).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const headers = { 'X-Api-Key': 's3cr3t' };
  const posted = post(address, { headers, body: 'event', certFile: null, signal: AbortSignal.timeout(5_000) });
  await expect(posted).rejects.toThrow(expect.objectContaining({ cause: new Error('unexpected redirect') }));
  expect(asked).toEqual([['/', 's3cr3t']]);
});
