import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { JwtSettings } from '@sink/config';
import { startTokenIssuer, type TokenIssuer } from '@sink/testing';
import { base64url, importJWK, SignJWT } from 'jose';
import { expect, it, onTestFinished } from 'vitest';
import { ManualClock } from '../../test/manual-clock.ts';
import type { Credential, Verdict } from '../credential.ts';
import { JwtCredentials } from './jwt-credentials.ts';

const AUDIENCE = 'sink-aws-s3';

type Values = Readonly<Record<string, unknown>>;

interface World {
  readonly issuer: TokenIssuer;
  readonly clock: ManualClock;
  readonly jwt: JwtCredentials;
  readonly settings: JwtSettings;
  /** The only credential. */
  readonly credential: Credential;
  readonly sign: (claims?: Values, header?: Values) => Promise<string>;
  /** The kind of the verdict on a token. */
  readonly check: (token: string) => Promise<string>;
}

async function start(more: Partial<JwtSettings> = {}, isAway = false): Promise<World> {
  const issuer = await startTokenIssuer();
  onTestFinished(() => issuer.close());
  issuer.isAway = isAway;
  const clock = new ManualClock();
  const jwt = new JwtCredentials({ clock, proxy: null, troubleChanged: () => undefined });
  const settings = settingsFor(issuer, more);
  const credential = jwt.make(settings);
  onTestFinished(() => credential.close?.());
  await settled(jwt);
  return {
    issuer,
    clock,
    jwt,
    settings,
    credential,
    sign: (claims = {}, header = {}) => issuer.sign({ aud: AUDIENCE, sub: 'me', ...claims }, header),
    check: async (token) => (await credential.check(bearer(token))).kind,
  };
}

it('a token that is given twice is said to be, and one with a comma is none', async () => {
  const { sign, credential } = await start();
  const token = await sign();
  const joined = `Bearer ${token}, Bearer ${token}`;
  expect(credential.check(withAuthorization(joined))).toEqual({ kind: 'none' });
  const req = withAuthorization(joined);
  req.rawHeaders.push('Authorization', `Bearer ${token}`, 'authorization', `Bearer ${token}`);
  expect(credential.check(req)).toEqual({ kind: 'twice', what: 'the header Authorization' });
});

function settingsFor(issuer: TokenIssuer, more: Partial<JwtSettings> = {}): JwtSettings {
  return {
    kind: 'jwt',
    issuer: issuer.url,
    audiences: [AUDIENCE],
    jwksUrl: null,
    jwksCaFile: null,
    jwksTokenFile: null,
    algorithms: ['RS256', 'ES256', 'EdDSA', 'PS256'],
    subjects: null,
    claims: {},
    ...more,
  };
}

function bearer(token: string): IncomingMessage {
  return withAuthorization(`Bearer ${token}`);
}

function withAuthorization(value: string): IncomingMessage {
  const req = new IncomingMessage(new Socket());
  req.headers.authorization = value;
  return req;
}

/** Waits until the fetches that have begun have ended. */
async function settled(jwt: JwtCredentials, fetches = 1): Promise<void> {
  const ended = (): boolean =>
    [...jwt.keySets].every(({ keySet }) => keySet.counts.success + keySet.counts.failure >= fetches);
  await expect.poll(ended, { interval: 2, timeout: 5_000 }).toBe(true);
}

const seconds = (): number => Math.floor(Date.now() / 1000);

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
