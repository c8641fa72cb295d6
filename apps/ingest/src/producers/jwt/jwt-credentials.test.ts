import { startTokenIssuer } from '@sink/testing';
import { base64url, SignJWT } from 'jose';
import { expect, it, onTestFinished } from 'vitest';
import {
  AUDIENCE,
  bearer,
  seconds,
  settingsFor,
  settled,
  start,
  withAuthorization,
  type Values,
} from '../../test/jwt-world.ts';
import type { Verdict } from '../credential.ts';

it('a token that is given twice is said to be, and one with a comma is none', async () => {
  const { sign, credential } = await start();
  const token = await sign();
  const joined = `Bearer ${token}, Bearer ${token}`;
  expect(credential.check(withAuthorization(joined))).toEqual({ kind: 'none' });
  const req = withAuthorization(joined);
  req.rawHeaders.push('Authorization', `Bearer ${token}`, 'authorization', `Bearer ${token}`);
  expect(credential.check(req)).toEqual({ kind: 'twice', what: 'the header Authorization' });
});

it.each(['Basic dTpw', 'Bearer opaque', ''])('is given twice too if the first is "%s"', async (first) => {
  const { sign, credential } = await start();
  const token = await sign();
  const req = withAuthorization(`${first}, Bearer ${token}`);
  req.rawHeaders.push('Authorization', first, 'authorization', `Bearer ${token}`);
  expect(credential.check(req)).toEqual({ kind: 'twice', what: 'the header Authorization' });
});

it('knows a token, and afterwards without a promise', async () => {
  const { sign, check, credential, jwt } = await start();
  const token = await sign();
  expect(credential.check(bearer(token))).toBeInstanceOf(Promise);
  expect(await check(token)).toBe('known');
  expect(credential.check(bearer(token))).toEqual({ kind: 'known' });
  expect(credential.check(withAuthorization(`bEARER  ${token}`))).toEqual({ kind: 'known' });
  expect(jwt.tokensRemembered).toBe(1);
});

it.each<[what: string, claims: Values, header?: Values]>([
  ['another audience', { aud: 'other' }],
  ['no audience', { aud: undefined }],
  ['another issuer', { iss: 'https://other.example' }],
  ['expired', { exp: seconds() - 61 }],
  ['no time of expiry', { exp: undefined }],
  ['not valid yet', { nbf: seconds() + 90 }],
  ['a time that is none', { nbf: 'now' }],
  ['a critical extension', {}, { crit: ['b64'], b64: true }],
])('does not look for the key of a token with %s', async (_what, claims, header) => {
  const { sign, credential, issuer } = await start();
  issuer.asked.length = 0;
  expect(credential.check(bearer(await sign(claims, header)))).toEqual({ kind: 'none' });
  expect(issuer.asked).toEqual([]);
});

it('lets clocks differ by a minute, and takes one of several audiences', async () => {
  const { sign, check } = await start();
  expect(await check(await sign({ exp: seconds() - 50 }))).toBe('known');
  expect(await check(await sign({ nbf: seconds() + 50, aud: ['other', AUDIENCE] }))).toBe('known');
});

it('refuses what is no token for us without a promise, however it is made', async () => {
  const { issuer, sign, credential } = await start({ algorithms: ['RS256', 'ES256'] });
  const token = await sign();
  const [head = '', claims = '', signature = ''] = token.split('.');
  const unsigned = base64url.encode(JSON.stringify({ alg: 'none' }));
  const publicKey = new TextEncoder().encode(JSON.stringify(issuer.keys[0]?.jwk));
  const kid = issuer.keys[0]?.kid ?? '';
  const now = seconds();
  const hs256 = await new SignJWT({ iss: issuer.url, aud: AUDIENCE, exp: now + 60 })
    .setProtectedHeader({ alg: 'HS256', kid })
    .sign(publicKey);
  const other = await issuer.sign({ aud: AUDIENCE }, {}, await issuer.makeKey('EdDSA', kid));
  const values = [
    '',
    'Bearer',
    'Bearer ',
    `Basic ${token}`,
    `Bearer ${unsigned}.${claims}.`,
    `Bearer ${head}.${claims}`,
    `Bearer ${token}.${token}`,
    `Bearer .${claims}.${signature}`,
    `Bearer ${head}.${base64url.encode('{')}.${signature}`,
    `Bearer ${head}.${base64url.encode('[]')}.${signature}`,
    `Bearer ${hs256}`,
    `Bearer ${other}`,
    `Bearer ${'a'.repeat(16_385)}`,
    `Bearer ${await sign({ more: 'x'.repeat(16_384) })}`,
    `Bearer ${base64url.encode(JSON.stringify({ alg: 'ES256', kid: { toString: kid } }))}.${claims}.${signature}`,
    `Bearer ${base64url.encode(JSON.stringify({ alg: 'ES256', kid: [kid] }))}.${claims}.${signature}`,
  ];
  for (const value of values) expect(credential.check(withAuthorization(value)), value).toEqual({ kind: 'none' });
});

it('takes keys from the issuer only: not from the header of a token', async () => {
  const { issuer, sign, check, clock, jwt } = await start();
  const [published] = issuer.keys;
  const foreign = await issuer.makeKey('ES256', published?.kid);
  const claims = { aud: AUDIENCE };
  issuer.asked.length = 0;
  const headers: Values[] = [
    {},
    { jwk: foreign.jwk },
    { jku: `${issuer.url}/foreign` },
    { x5u: `${issuer.url}/foreign` },
    { x5c: ['MIIB'] },
  ];
  for (const header of headers) {
    expect(await check(await issuer.sign(claims, header, foreign)), JSON.stringify(header)).toBe('none');
  }
  // A changed signature, and changed claims under a good one.
  const [head, body, signature] = (await sign()).split('.');
  const [, otherBody] = (await sign({ sub: 'root' })).split('.');
  expect(await check([head, body, signature?.split('').reverse().join('')].join('.'))).toBe('none');
  expect(await check([head, otherBody, signature].join('.'))).toBe('none');
  expect(jwt.tokensRemembered).toBe(0);
  // A bad signature asks for the keys again, and waits for nothing.
  await clock.pass(5_000);
  await settled(jwt, 2);
  expect(issuer.asked).toEqual(['/.well-known/openid-configuration', '/jwks']);
});

it.each(['../../etc/passwd', "' OR '1'='1", 'key-1\0', '__proto__', 'constructor', ''])(
  'the key id %j is text to compare, and waits for a fetch that began after the request',
  async (kid) => {
    const { issuer, sign, credential, clock, jwt } = await start();
    const checked = credential.check(bearer(await sign({}, { kid })));
    await expect(
      Promise.race([checked, new Promise((resolve) => setTimeout(() => resolve('it waits'), 20))]),
    ).resolves.toBe('it waits');
    issuer.asked.length = 0;
    await clock.pass(5_000);
    expect((await checked).kind).toBe('none');
    expect(issuer.asked).toContain('/jwks');
    expect(jwt.tokensRemembered).toBe(0);
  },
);

it('a token without a key id is known if one key fits, and one of several is tried', async () => {
  const { issuer, sign, check, clock, jwt } = await start();
  expect(await check(await sign({}, { kid: undefined }))).toBe('known');
  const second = await issuer.makeKey();
  issuer.keys.push(second);
  expect(await check(await issuer.sign({ aud: AUDIENCE, sub: 'other' }, { kid: undefined }, second))).toBe('none');
  await clock.pass(5_000);
  await settled(jwt, 2);
  expect(await check(await issuer.sign({ aud: AUDIENCE, sub: 'third' }, { kid: undefined }, second))).toBe('known');
});

it('remembers a token until it expires, and not longer than its configuration', async () => {
  const { sign, clock, credential, jwt, settings } = await start();
  const token = await sign({ exp: seconds() + 10 });
  await credential.check(bearer(token));
  await clock.pass(60_000);
  expect(credential.check(bearer(token))).toEqual({ kind: 'known' });
  await clock.pass(12_000);
  expect(credential.check(bearer(token))).toEqual({ kind: 'none' });
  expect(jwt.tokensRemembered).toBe(0);

  const other = await sign();
  await credential.check(bearer(other));
  const next = jwt.make({ ...settings, subjects: ['somebody else'] });
  credential.close?.();
  expect(jwt.tokensRemembered).toBe(0);
  expect(await next.check(bearer(other))).toMatchObject({ kind: 'forbidden' });
  expect([...jwt.keySets].map(({ keySet }) => keySet.begun)).toEqual([1]);
  next.close?.();
  expect([...jwt.keySets]).toEqual([]);
});

it('another subject or claim is forbidden, and a claim that is a list has to contain a value', async () => {
  const claims = { azp: ['a', 'b'], Group_Names: ['admins'], level: [7] };
  const { sign, check, credential } = await start({ subjects: ['me', 'you'], claims });
  const right = { azp: 'b', Group_Names: ['users', 'admins'], level: '7' };
  expect(await check(await sign(right))).toBe('known');
  expect(await check(await sign({ ...right, level: 7, sub: 'you' }))).toBe('known');
  const wrong: [Values, string][] = [
    [{ ...right, sub: 'they' }, 'the token has another subject'],
    [{ ...right, sub: undefined }, 'the token has another subject'],
    [{ ...right, azp: 'c' }, 'the token lacks the claim azp, or has another value of it'],
    [{ ...right, Group_Names: undefined, group_names: ['admins'] }, 'the token lacks the claim Group_Names'],
    [{ ...right, Group_Names: { admins: true } }, 'the token lacks the claim Group_Names'],
  ];
  for (const [given, message] of wrong) {
    const token = await sign(given);
    for (const verdict of [await credential.check(bearer(token)), credential.check(bearer(token))]) {
      expect(verdict).toMatchObject({ kind: 'forbidden', message: expect.stringContaining(message) as string });
    }
  }
});

it('producers of one issuer share its keys and what was verified', async () => {
  const { issuer, sign, jwt, settings } = await start();
  const other = await startTokenIssuer();
  onTestFinished(() => other.close());
  issuer.asked.length = 0;
  const all = [
    { ...settings, subjects: ['a'] },
    { ...settings, subjects: ['b'] },
    { ...settings, audiences: ['third'] },
    settingsFor(other),
  ];
  const credentials = all.map((one) => jwt.make(one));
  onTestFinished(() => credentials.forEach((one) => one.close?.()));
  const token = await sign({ sub: 'b' });
  expect((await Promise.all(credentials.map(async (one) => one.check(bearer(token))))).map(({ kind }) => kind)).toEqual(
    ['forbidden', 'known', 'none', 'none'],
  );
  expect(issuer.asked).toEqual([]);
  expect(jwt.tokensRemembered).toBe(1);
  expect(credentials.map((one) => (one.check(bearer(token)) as Verdict).kind)).toEqual([
    'forbidden',
    'known',
    'none',
    'none',
  ]);
});
