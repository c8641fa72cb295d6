import { createHmac, randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { startTokenIssuer, type TokenIssuer } from '@sink/testing';
import { SignJWT } from 'jose';
import { describe, expect, it, onTestFinished } from 'vitest';
import { binary, type Ingest, type Message, RawClient, send, startIngest } from '../test/harness.ts';
import { producersOf, setProducers } from '../test/producers-world.ts';

const AUDIENCE = 'sink-aws-s3';
const EVENT = '{"specversion":"1.0","id":"1","source":"/s","type":"t"}';
const CHALLENGE = 'Bearer realm="sink-aws-s3"';
const SIGNATURE = 'Signature realm="sink-aws-s3"';

/** One event in each content mode. */
const MODES: Readonly<Record<'binary' | 'structured' | 'batched', Message>> = {
  binary: { headers: binary(), body: '' },
  structured: { headers: { 'Content-Type': 'application/cloudevents+json' }, body: EVENT },
  batched: { headers: { 'Content-Type': 'application/cloudevents-batch+json' }, body: `[${EVENT}]` },
};

/** What an answer, and the metrics after it, have to say. */
interface Expected {
  readonly status: number;
  /** Of the refusal; absent: it is accepted. */
  readonly reason?: string;
  /** The label of the metric; `_unknown`: it matches no producer. */
  readonly producer: string;
}

const ACCEPTED: Expected = { status: 202, producer: 'knative' };
const UNKNOWN: Expected = { status: 401, reason: 'credentials', producer: '_unknown' };
const TWICE: Expected = { status: 401, reason: 'credentials_twice', producer: '_unknown' };
const FORBIDDEN: Expected = { status: 403, reason: 'forbidden', producer: 'knative' };

/** Sends a message, and compares answer and metrics. */
async function expectAnswer(ingest: Ingest, message: Message, expected: Expected, challenge: string): Promise<void> {
  const { status, reason, producer } = expected;
  const line =
    reason === undefined
      ? `sink_ingest_producer_events_accepted_total{producer="${producer}"}`
      : `sink_ingest_producer_requests_refused_total{producer="${producer}",reason="${reason}"}`;
  const [before, stored] = [await ingest.metric(line), ingest.appender.lines.length];
  const answer = await send(ingest.port, message);
  expect(answer.status, answer.body).toBe(status);
  expect(await ingest.metric(line), line).toBe(before + 1);
  expect(ingest.appender.lines.length - stored).toBe(status === 202 ? 1 : 0);
  expect(answer.headers['www-authenticate']).toBe(status === 401 ? challenge : undefined);
  expect(answer.headers['retry-after']).toBe(status === 503 ? '5' : undefined);
  expect(answer.body.split('\n').length).toBe(status === 202 ? 1 : 2);
}

function withHeaders({ headers, body = '' }: Message, more: Message['headers']): Message {
  return { headers: { ...headers, ...more }, body };
}

describe('JSON Web Tokens', () => {
  interface World {
    readonly issuer: TokenIssuer;
    readonly ingest: Ingest;
  }

  async function start(): Promise<World> {
    const issuer = await startTokenIssuer();
    onTestFinished(() => issuer.close());
    const rule = { subjects: ['me'], claims: { azp: 'app' }, algorithms: ['ES256'] };
    const jwt = { issuer: issuer.url, audience: AUDIENCE, ...rule };
    const producers = producersOf([{ name: 'knative', jwt }]);
    return { issuer, ingest: await startIngest({ producers }) };
  }

  const claims = { aud: AUDIENCE, sub: 'me', azp: 'app' };
  const seconds = (): number => Math.floor(Date.now() / 1000);

  const cases: readonly [what: string, authorization: (issuer: TokenIssuer) => Promise<string | string[]>, Expected][] =
    [
      ['right', async (issuer) => `Bearer ${await issuer.sign(claims)}`, ACCEPTED],
      ['missing', () => Promise.resolve([]), UNKNOWN],
      ['wrong', async (issuer) => `Bearer ${(await issuer.sign(claims)).slice(0, -8)}AAAAAAAA`, UNKNOWN],
      ['no token', () => Promise.resolve('Bearer opaque'), UNKNOWN],
      ['of another scheme', async (issuer) => `Basic ${await issuer.sign(claims)}`, UNKNOWN],
      ['expired', async (issuer) => `Bearer ${await issuer.sign({ ...claims, exp: seconds() - 90 })}`, UNKNOWN],
      ['not valid yet', async (issuer) => `Bearer ${await issuer.sign({ ...claims, nbf: seconds() + 90 })}`, UNKNOWN],
      [
        'of another algorithm',
        async (issuer) => `Bearer ${await issuer.sign(claims, {}, await issuer.makeKey('PS256', 'key-1'))}`,
        UNKNOWN,
      ],
      ['for another audience', async (issuer) => `Bearer ${await issuer.sign({ ...claims, aud: 'other' })}`, UNKNOWN],
      ['of another issuer', async (issuer) => `Bearer ${await issuer.sign({ ...claims, iss: 'https://a' })}`, UNKNOWN],
      ['of another subject', async (issuer) => `Bearer ${await issuer.sign({ ...claims, sub: 'they' })}`, FORBIDDEN],
      ['with another claim', async (issuer) => `Bearer ${await issuer.sign({ ...claims, azp: 'b' })}`, FORBIDDEN],
      [
        'given twice',
        async (issuer) => {
          const value = `Bearer ${await issuer.sign(claims)}`;
          return [value, value];
        },
        TWICE,
      ],
      [
        'alg none',
        async (issuer) => {
          const [, body = ''] = (await issuer.sign(claims)).split('.');
          return `Bearer ${Buffer.from('{"alg":"none"}').toString('base64url')}.${body}.`;
        },
        UNKNOWN,
      ],
      [
        'HS256 with the public key',
        async (issuer) => {
          const [key] = issuer.keys;
          const token = await new SignJWT({ ...claims, iss: issuer.url, exp: seconds() + 60 })
            .setProtectedHeader({ alg: 'HS256', kid: key?.kid ?? '' })
            .sign(Buffer.from(JSON.stringify(key?.jwk)));
          return `Bearer ${token}`;
        },
        UNKNOWN,
      ],
      [
        'with a key of its own',
        async (issuer) => {
          const own = await issuer.makeKey('ES256', 'key-1');
          return `Bearer ${await issuer.sign(claims, { jwk: own.jwk, jku: `${issuer.url}/own`, x5c: ['MIIB'] }, own)}`;
        },
        UNKNOWN,
      ],
      ['oversized', async (issuer) => `Bearer ${await issuer.sign({ ...claims, more: 'x'.repeat(20_000) })}`, UNKNOWN],
    ];

  it.each(Object.keys(MODES) as (keyof typeof MODES)[])(
    '%s: each kind of token has its status and its metric',
    async (mode) => {
      const { issuer, ingest } = await start();
      for (const [what, authorization, expected] of cases) {
        const message = withHeaders(MODES[mode], { Authorization: await authorization(issuer) });
        await expectAnswer(ingest, message, expected, CHALLENGE).catch((cause: unknown) => {
          throw new Error(`${what}: ${String(cause)}`, { cause });
        });
      }
    },
  );

  it('a key that cannot be fetched is 503 with Retry-After, and a stranger is 401 all the same', async () => {
    const issuer = await startTokenIssuer();
    onTestFinished(() => issuer.close());
    issuer.isAway = true;
    const producers = producersOf([{ name: 'knative', jwt: { issuer: issuer.url, audience: AUDIENCE } }]);
    const ingest = await startIngest({ producers });
    const away: Expected = { status: 503, reason: 'keys_away', producer: 'knative' };
    for (const mode of Object.values(MODES)) {
      const message = withHeaders(mode, { Authorization: `Bearer ${await issuer.sign(claims)}` });
      await expectAnswer(ingest, message, away, CHALLENGE);
      await expectAnswer(ingest, mode, UNKNOWN, CHALLENGE);
    }
  });

  it('requests wait for a new key, and hold neither a body nor a place meanwhile', async () => {
    const { issuer, ingest } = await start();
    const first = { headers: binary({ Authorization: `Bearer ${await issuer.sign(claims)}` }) };
    expect((await send(ingest.port, first)).status).toBe(202);
    let answerLater = (): void => undefined;
    issuer.answer = (path, response) => {
      if (path !== '/jwks') return false;
      answerLater = () => void response.end(JSON.stringify({ keys: issuer.keys.map(({ jwk }) => jwk) }));
      return true;
    };
    const { kid } = await issuer.rotate();
    const token = await issuer.sign(claims);
    const waiting = [1, 2, 3].map(() =>
      send(ingest.port, {
        ...MODES.structured,
        headers: { ...MODES.structured.headers, Authorization: `Bearer ${token}` },
      }),
    );
    const left = new RawClient(ingest.port);
    left.send(`POST / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ${token}\r\nContent-Length: 5000000\r\n\r\n`);
    await expect.poll(() => issuer.asked.filter((path) => path === '/jwks').length, { timeout: 10_000 }).toBe(2);
    expect(await ingest.metric('sink_ingest_in_flight_bytes')).toBe(0);
    left.socket.destroy();
    // All others are served meanwhile.
    expect((await send(ingest.port, first)).status).toBe(202);
    expect((await send(ingest.port, { headers: binary() })).status).toBe(401);
    answerLater();
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([202, 202, 202]);
    await expect.poll(() => ingest.metric('sink_ingest_requests_refused_total{reason="disconnected"}')).toBe(1);
    expect(kid).not.toBe('key-1');
  });

  it('of several producers, the one whose rule the token fits sends', async () => {
    const issuer = await startTokenIssuer();
    onTestFinished(() => issuer.close());
    const jwt = { issuer: issuer.url, audience: AUDIENCE };
    const producers = producersOf([
      { name: 'a', jwt: { ...jwt, subjects: ['a'] } },
      { name: 'b', jwt: { ...jwt, subjects: ['b'] } },
      { name: 'c', bearer: { tokens: ['opaque'] } },
    ]);
    const ingest = await startIngest({ producers });
    for (const name of ['a', 'b', 'a', 'b']) {
      const message = {
        headers: binary({ Authorization: `Bearer ${await issuer.sign({ aud: AUDIENCE, sub: name })}` }),
      };
      await expectAnswer(ingest, message, { status: 202, producer: name }, CHALLENGE);
    }
    const opaque = { headers: binary({ Authorization: 'Bearer opaque' }) };
    await expectAnswer(ingest, opaque, { status: 202, producer: 'c' }, CHALLENGE);
    const other = { headers: binary({ Authorization: `Bearer ${await issuer.sign({ aud: AUDIENCE, sub: 'c' })}` }) };
    await expectAnswer(ingest, other, { ...FORBIDDEN, producer: 'a' }, CHALLENGE);
  });
});

describe('signatures', () => {
  const [secret, next] = [randomBytes(24), randomBytes(24)].map((bytes) => `whsec_${bytes.toString('base64')}`) as [
    string,
    string,
  ];
  const PLAIN = "It's a Secret to Everybody";

  function standard(message: Message, signedWith = secret, ageSeconds = 0): Message {
    const timestamp = String(Math.floor(Date.now() / 1000) - ageSeconds);
    const hmac = createHmac('sha256', Buffer.from(signedWith.slice('whsec_'.length), 'base64'));
    const signature = hmac
      .update(`msg_1.${timestamp}.`)
      .update(message.body ?? '')
      .digest('base64');
    return withHeaders(message, {
      'Webhook-Id': 'msg_1',
      'Webhook-Timestamp': timestamp,
      'Webhook-Signature': `v1,${signature}`,
    });
  }

  function github(message: Message, signedWith = PLAIN): Message {
    const signature = createHmac('sha256', signedWith)
      .update(message.body ?? '')
      .digest('hex');
    return withHeaders(message, { 'X-Hub-Signature-256': `sha256=${signature}` });
  }

  const schemes = {
    'standard-webhooks': { secret, sign: standard, field: 'Webhook-Signature', wrong: next },
    github: { secret: PLAIN, sign: github, field: 'X-Hub-Signature-256', wrong: 'Something Else' },
  } as const;
  const accepted: Expected = { status: 202, producer: 'hooks' };
  const wrongSignature: Expected = { status: 401, reason: 'signature', producer: '_unknown' };

  it.each(Object.keys(schemes) as (keyof typeof schemes)[])(
    '%s: each mode has its status and its metric',
    async (scheme) => {
      const { secret: right, sign, field, wrong } = schemes[scheme];
      const producers = producersOf([{ name: 'hooks', hmac: { secret: right, scheme } }]);
      const ingest = await startIngest({ producers });
      const expectIt = (message: Message, expected: Expected): Promise<void> =>
        expectAnswer(ingest, message, expected, SIGNATURE);
      for (const message of [MODES.structured, MODES.batched]) {
        const signed = sign(message);
        await expectIt(signed, accepted);
        // A repeat is accepted: doubles are the matter of dedupe_window.
        await expectIt(signed, accepted);
        await expectIt(message, UNKNOWN);
        await expectIt(sign(message, wrong), wrongSignature);
        await expectIt({ ...signed, body: EVENT.replace('"t"', '"u"') }, wrongSignature);
        const value = String(signed.headers?.[field]);
        await expectIt(withHeaders(signed, { [field]: [value, value] }), TWICE);
        await expectIt(withHeaders(signed, { [field]: 'nonsense' }), UNKNOWN);
        // What is signed is what was sent, before it is decompressed.
        const body = gzipSync(message.body ?? '');
        const compressed = { headers: { ...message.headers, 'Content-Encoding': 'gzip' }, body };
        await expectIt(sign(compressed), accepted);
        await expectIt(
          { ...sign(message), ...withHeaders(sign(message), { 'Content-Encoding': 'gzip' }), body },
          wrongSignature,
        );
      }
      await expectIt(sign(MODES.binary), { status: 403, reason: 'forbidden', producer: 'hooks' });
      await expectIt(MODES.binary, UNKNOWN);

      // The secret is rotated: first both are right, then only the new one.
      setProducers(producers, [{ name: 'hooks', hmac: { secret: wrong, scheme } }]);
      await expectIt(sign(MODES.structured, wrong), accepted);
      await expectIt(sign(MODES.structured), wrongSignature);
    },
  );

  it('a webhook that says application/json is taken with lenient_content_type', async () => {
    const producers = producersOf([{ name: 'hooks', hmac: { secret: PLAIN, scheme: 'github' } }]);
    const ingest = await startIngest({ producers });
    const webhook = github({ headers: { 'Content-Type': 'application/json' }, body: EVENT });
    expect((await send(ingest.port, webhook)).status).toBe(400);
    ingest.change({ lenientContentType: true });
    await expectAnswer(ingest, webhook, accepted, SIGNATURE);
    await expectAnswer(ingest, { ...webhook, body: EVENT.replace('"t"', '"u"') }, wrongSignature, SIGNATURE);
  });

  it('a signature of Standard Webhooks that is too old is refused, and its body is not read', async () => {
    const producers = producersOf([{ name: 'hooks', hmac: { secret } }]);
    const ingest = await startIngest({ producers });
    await expectAnswer(ingest, standard(MODES.structured, secret, 290), accepted, SIGNATURE);
    await expectAnswer(ingest, standard(MODES.structured, secret, 310), UNKNOWN, SIGNATURE);
    const client = connect(ingest.port, '127.0.0.1');
    onTestFinished(() => void client.destroy());
    client.write(
      'POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/cloudevents+json\r\nContent-Length: 900\r\n\r\n{',
    );
    const answer = await new Promise<string>((resolve) => client.once('data', (bytes) => resolve(bytes.toString())));
    expect(answer).toMatch(/^HTTP\/1\.1 401 /);
  });

  it('several producers sign, and another sends a token: the first that is right counts', async () => {
    const producers = producersOf([
      { name: 'old', hmac: { secret } },
      { name: 'hooks', hmac: { secret: next } },
      { name: 'github', hmac: { secret: PLAIN, scheme: 'github' } },
      { name: 'script', bearer: { tokens: ['t'] } },
    ]);
    const ingest = await startIngest({ producers });
    const challenge = `${SIGNATURE}, ${CHALLENGE}`;
    const is = (producer: string): Expected => ({ status: 202, producer });
    await expectAnswer(ingest, standard(MODES.structured), is('old'), challenge);
    await expectAnswer(ingest, standard(MODES.structured, next), is('hooks'), challenge);
    await expectAnswer(ingest, github(MODES.batched), is('github'), challenge);
    const token = { Authorization: 'Bearer t' };
    await expectAnswer(ingest, withHeaders(MODES.binary, token), is('script'), challenge);
    await expectAnswer(ingest, withHeaders(github(MODES.structured, 'wrong'), token), is('script'), challenge);
    await expectAnswer(ingest, github(MODES.structured, 'wrong'), wrongSignature, challenge);
  });
});
