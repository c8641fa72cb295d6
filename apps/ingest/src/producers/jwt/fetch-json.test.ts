import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeCertificate, startHttpProxy, startTokenIssuer, temporaryDirectory, type TokenIssuer } from '@sink/testing';
import { expect, it, onTestFinished } from 'vitest';
import { fetchJson, type Way } from './fetch-json.ts';

const direct: Way = { caFile: null, tokenFile: null, proxy: null };
const never = new AbortController().signal;

async function start(options: Parameters<typeof startTokenIssuer>[0] = {}): Promise<TokenIssuer> {
  const issuer = await startTokenIssuer(options);
  onTestFinished(() => issuer.close());
  return issuer;
}

function why(url: string, way: Partial<Way> = {}, signal = never): Promise<string> {
  return fetchJson(new URL(url), { ...direct, ...way }, signal).then(
    () => 'it was fetched',
    (error: unknown) => (error instanceof Error ? error.message : ''),
  );
}

it('fetches a document, and reads the token file at each request', async () => {
  const issuer = await start();
  const tokenFile = join(temporaryDirectory('token'), 'token');
  for (const token of ['first', 'second']) {
    writeFileSync(tokenFile, `${token}\n`);
    expect(await fetchJson(new URL(issuer.jwksUrl), { ...direct, tokenFile }, never)).toHaveProperty('keys');
  }
  expect(issuer.asked).toEqual(['/jwks Bearer first', '/jwks Bearer second']);
  expect(await why(issuer.jwksUrl, { tokenFile: `${tokenFile}-gone` })).toContain('ENOENT');
});

it('says what is wrong with an answer, and follows no redirect', async () => {
  const issuer = await start();
  const answers: Record<string, [status: number, body: string, location?: string]> = {
    '/moved': [302, '', '/jwks'],
    '/absent': [404, ''],
    '/text': [200, '<html>'],
    '/large': [200, JSON.stringify({ keys: [], more: 'x'.repeat(1024 * 1024) })],
  };
  issuer.answer = (path, response) => {
    const [status, body, location] = answers[path] ?? [200, '{}'];
    response.writeHead(status, location === undefined ? {} : { Location: location }).end(body);
    return true;
  };
  expect(await why(`${issuer.url}/moved`)).toMatch(/^fetching http:.*\/moved: .*redirect \(302\)/);
  expect(await why(`${issuer.url}/absent`)).toMatch(/status 404/);
  expect(await why(`${issuer.url}/text`)).toMatch(/no JSON/);
  expect(await why(`${issuer.url}/large`)).toMatch(/larger than 1048576 bytes/);
  expect(issuer.asked).toEqual(['/moved', '/absent', '/text', '/large']);
  issuer.isAway = true;
  expect(await why(issuer.url)).toMatch(/socket hang up/);
});

it('names an address without its query', async () => {
  const issuer = await start();
  issuer.isAway = true;
  expect(await why(`${issuer.url}/jwks?code=s3cr3t`)).toBe(`fetching ${issuer.url}/jwks: socket hang up`);
});

it('ends when its time is over, whether no answer comes or a slow one', async () => {
  const issuer = await start();
  issuer.answer = (path, response) => {
    if (path === '/slow') response.write('{');
    return true;
  };
  expect(await why(`${issuer.url}/silent`, {}, AbortSignal.timeout(50))).toMatch(/no answer in time/);
  expect(await why(`${issuer.url}/slow`, {}, AbortSignal.timeout(50))).toMatch(/no answer in time/);
});

it('trusts the authorities of the file, which is read at each request', async (context) => {
  const [tls, other] = [makeCertificate(['IP:127.0.0.1']), makeCertificate(['IP:127.0.0.1'])];
  if (tls === null || other === null) return context.skip('there is no openssl on this machine');
  const issuer = await start({ tls });
  const caFile = join(temporaryDirectory('ca'), 'ca.pem');
  writeFileSync(caFile, other.cert);
  expect(await why(issuer.jwksUrl)).toMatch(/self-signed/);
  expect(await why(issuer.jwksUrl, { caFile })).toMatch(/self-signed/);
  writeFileSync(caFile, tls.cert);
  expect(await why(issuer.jwksUrl, { caFile })).toBe('it was fetched');
});

it('goes through the proxy of the environment', async (context) => {
  const tls = makeCertificate(['DNS:issuer.test']);
  if (tls === null) return context.skip('there is no openssl on this machine');
  const issuer = await start({ tls });
  const caFile = join(temporaryDirectory('ca'), 'ca.pem');
  writeFileSync(caFile, tls.cert);
  const proxy = await startHttpProxy(() => ({ host: '127.0.0.1', port: Number(new URL(issuer.url).port) }));
  onTestFinished(() => proxy.close());
  const way = { caFile, proxy: { https: proxy.url, noProxy: 'other.test' } };
  expect(await why('https://issuer.test/jwks', way)).toBe('it was fetched');
  expect(proxy.asked).toEqual(['CONNECT issuer.test:443']);
});
