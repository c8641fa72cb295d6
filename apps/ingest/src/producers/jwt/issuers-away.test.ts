import { base64url, importJWK, SignJWT } from 'jose';
import { expect, it, onTestFinished } from 'vitest';
import { AUDIENCE, bearer, seconds, settled, start, type Values } from '../../test/jwt-world.ts';
import type { Verdict } from '../credential.ts';

it('a new key is fetched while its token waits; the token of a key that is gone is refused, and forgotten', async () => {
  const { issuer, sign, credential, clock, jwt } = await start();
  const old = await sign();
  expect((await credential.check(bearer(old))).kind).toBe('known');
  await clock.pass(5_000);
  await issuer.rotate();
  const fresh = await sign();
  const waiting = Array.from({ length: 5 }, async () => credential.check(bearer(fresh)));
  issuer.asked.length = 0;
  expect((await Promise.all(waiting)).map(({ kind }) => kind)).toEqual(['known', 'known', 'known', 'known', 'known']);
  expect(issuer.asked).toEqual(['/.well-known/openid-configuration', '/jwks']);
  expect(jwt.tokensRemembered).toBe(1);
  const gone = credential.check(bearer(old));
  await clock.pass(5_000);
  expect((await gone).kind).toBe('none');
});

it('an issuer that is away at the start is 503, and then fetched from', async () => {
  const { issuer, sign, check, clock, credential } = await start({}, true);
  const token = await sign();
  expect(await credential.check(bearer(token))).toEqual({
    kind: 'unavailable',
    message: 'the key of the token could not be fetched: send this request again',
  } satisfies Verdict);
  expect(credential.trouble).toMatch(/fetching http:.*: socket hang up; its tokens get 503/);
  // What is not for us needs no key.
  expect(await check(await sign({ aud: 'other' }))).toBe('none');
  issuer.isAway = false;
  await clock.pass(5_000);
  await expect.poll(() => check(token)).toBe('known');
  expect(credential.trouble).toBeNull();
});

it('an issuer that goes away later: its keys stay, and a token with another key is 503', async () => {
  const { issuer, sign, check, clock, credential } = await start();
  issuer.isAway = true;
  const token = await sign();
  await issuer.rotate();
  const other = credential.check(bearer(await sign()));
  await clock.pass(5_000);
  expect((await other).kind).toBe('unavailable');
  expect(await check(token)).toBe('known');
  expect(await check(await sign({ sub: 'third' }))).toBe('unavailable');
});

it.each<[what: string, document: object, why: string]>([
  ['no keys', { keys: [] }, 'no key set'],
  ['no key set', { error: 'oops' }, 'no key set'],
])('an answer with %s replaces no keys', async (_what, document, why) => {
  const { issuer, sign, check, clock, jwt, credential } = await start();
  const token = await sign();
  issuer.answer = (path, response) => {
    if (path === '/jwks') response.end(JSON.stringify(document));
    return path === '/jwks';
  };
  await clock.pass(5_000);
  await clock.pass(300_000);
  await settled(jwt, 2);
  expect(credential.trouble).toContain(why);
  expect(await check(token)).toBe('known');
});

it('symmetric and private keys of a key set verify nothing', async () => {
  const { issuer, check, clock, jwt } = await start();
  const secret = base64url.encode('0123456789abcdef0123456789abcdef');
  const oct = { kty: 'oct', k: secret, kid: 'oct', alg: 'HS256' };
  issuer.answer = (path, response) => {
    if (path === '/jwks') response.end(JSON.stringify({ keys: [oct, { ...oct, alg: 'ES256', kid: 'oct2' }] }));
    return path === '/jwks';
  };
  await clock.pass(5_000);
  await clock.pass(300_000);
  await settled(jwt, 2);
  const now = seconds();
  const signed = await new SignJWT({ iss: issuer.url, aud: AUDIENCE, exp: now + 60 })
    .setProtectedHeader({ alg: 'HS256', kid: 'oct' })
    .sign(await importJWK(oct, 'HS256'));
  expect(await check(signed)).toBe('none');
});

it('the discovery document has to be that of the issuer', async () => {
  const { issuer, credential, sign, check, clock, jwt } = await start();
  const documents: Values[] = [
    { issuer: 'https://other.example', jwks_uri: issuer.jwksUrl },
    { issuer: issuer.url },
    { issuer: issuer.url, jwks_uri: 'ftp://127.0.0.1/jwks' },
  ];
  const token = await sign();
  let fetches = 1;
  for (const document of documents) {
    issuer.answer = (path, response) => {
      if (path !== '/jwks') response.end(JSON.stringify(document));
      return path !== '/jwks';
    };
    await clock.pass(5_000);
    await clock.pass(300_000);
    await settled(jwt, ++fetches);
    expect(credential.trouble).toMatch(/another issuer|jwks_uri is no/);
  }
  expect(await check(token)).toBe('known');
});

it('the name of another issuer is cut in the message, and the address has no query', async () => {
  const { issuer, credential, jwt, settings } = await start();
  credential.close?.();
  issuer.answer = (path, response) => {
    const isKeys = path.startsWith('/jwks');
    response.end(JSON.stringify(isKeys ? { keys: [] } : { issuer: 'x'.repeat(100_000), jwks_uri: issuer.jwksUrl }));
    return true;
  };
  const other = jwt.make(settings);
  const queried = jwt.make({ ...settings, jwksUrl: `${issuer.jwksUrl}?code=s3cr3t` });
  onTestFinished(() => [other, queried].forEach((one) => one.close?.()));
  await settled(jwt);
  expect(other.trouble).toContain(`another issuer, "${'x'.repeat(100)}";`);
  expect(queried.trouble).toContain(`fetching ${issuer.jwksUrl}: the answer is no key set`);
});
