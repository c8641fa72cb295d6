import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '@sink/testing';
import { expect, test } from 'vitest';
import { binary, type Ingest, type Message, send, startIngest } from '../test/harness.ts';
import { producersOf, setProducers } from '../test/producers-world.ts';

const EVENT = '{"specversion":"1.0","id":"1","source":"/s","type":"t"}';
/** Each content mode, and what is no event in it. */
const MODES: Readonly<Record<string, { readonly good: Message; readonly bad: Message }>> = {
  binary: { good: { headers: binary() }, bad: { headers: { 'Ce-Id': '1' } } },
  structured: {
    good: { headers: { 'Content-Type': 'application/cloudevents+json' }, body: EVENT },
    bad: { headers: { 'Content-Type': 'application/cloudevents+json' }, body: '{' },
  },
  batched: {
    good: { headers: { 'Content-Type': 'application/cloudevents-batch+json' }, body: `[${EVENT},${EVENT}]` },
    bad: { headers: { 'Content-Type': 'application/cloudevents-batch+json' }, body: '{}' },
  },
};

/** How a client shows its secret. */
interface Kind {
  readonly producer: object;
  /** For a file with secrets. */
  readonly withFile: (file: string) => object;
  readonly challenge: string;
  readonly shown: (secret: string) => Pick<Message, 'headers' | 'path'>;
  readonly twice: Pick<Message, 'headers' | 'path'>;
  /** Credentials that are none. */
  readonly malformed: readonly Pick<Message, 'headers' | 'path'>[];
}

const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
const authorization = (...values: string[]): Pick<Message, 'headers'> => ({
  headers: { Authorization: values.length === 1 ? values[0] : values },
});

const KINDS: Readonly<Record<string, Kind>> = {
  basic: {
    producer: { basic: { user: 'vänus', password: 'secret-1' } },
    withFile: (file) => ({ basic: { user: 'vänus', password_file: file } }),
    challenge: 'Basic realm="sink-aws-s3", charset="UTF-8"',
    shown: (secret) => authorization(basic('vänus', secret)),
    twice: authorization(basic('vänus', 'secret-1'), basic('vänus', 'secret-1')),
    malformed: [
      authorization('Basic'),
      authorization('Basic %%%'),
      authorization(basic('other', 'secret-1')),
      authorization(basic('vänus:secret-1', '')),
      authorization('Bearer secret-1'),
    ],
  },
  bearer: {
    producer: { bearer: { tokens: ['secret-0', 'secret-1'] } },
    withFile: (file) => ({ bearer: { tokens_file: file } }),
    challenge: 'Bearer realm="sink-aws-s3"',
    shown: (secret) => authorization(`bearer ${secret}`),
    twice: authorization('Bearer secret-1', 'Bearer other'),
    malformed: [
      authorization('Bearer'),
      authorization('secret-1'),
      authorization('Bearer secret-1 secret-1'),
      authorization('Bearer secret-1,'),
      authorization(`Bearer ${'x'.repeat(60_000)}`),
      { headers: { 'Proxy-Authorization': 'Bearer secret-1' } },
      { path: '/?access_token=secret-1' },
    ],
  },
  header: {
    producer: { header: 'X-Api-Key', bearer: { tokens: ['secret-1'] } },
    withFile: (file) => ({ header: 'X-Api-Key', bearer: { tokens_file: file } }),
    challenge: 'ApiKey realm="sink-aws-s3"',
    shown: (secret) => ({ headers: { 'x-api-key': secret } }),
    twice: { headers: { 'X-Api-Key': ['secret-1', 'secret-1'] } },
    malformed: [
      { headers: { 'X-Api-Key': '' } },
      { headers: { 'X-Api-Key': 'Bearer secret-1' } },
      authorization('Bearer secret-1'),
    ],
  },
  query: {
    producer: { query: { parameter: 'code', tokens: ['secret-1', 'a+b/=='] } },
    withFile: (file) => ({ query: { parameter: 'code', tokens_file: file } }),
    challenge: 'ApiKey realm="sink-aws-s3"',
    shown: (secret) => ({ path: `/events?x=1&code=${secret}` }),
    twice: { path: '/?code=secret-1&c%6fde=secret-1' },
    malformed: [
      { path: '/?code=' },
      { path: '/?code' },
      { path: '/?Code=secret-1' },
      { path: '/code=secret-1' },
      { path: '/?code=%zz' },
      { headers: { code: 'secret-1' } },
    ],
  },
};

function message(mode: Message, credential: Pick<Message, 'headers' | 'path'>): Message {
  return { ...mode, ...credential, headers: { ...mode.headers, ...credential.headers } };
}

const refused = ({ metric }: Ingest, producer: string, reason: string): Promise<number> =>
  metric(`sink_ingest_producer_requests_refused_total{producer="${producer}",reason="${reason}"}`);

for (const [name, kind] of Object.entries(KINDS)) {
  for (const [mode, { good, bad }] of Object.entries(MODES)) {
    test(`${name}, ${mode} mode: right, wrong, missing, malformed, given twice`, async () => {
      // Another producer of the same kind before it, whose secrets are others.
      const first = {
        name: 'first',
        ...JSON.parse(JSON.stringify(kind.producer).replaceAll('secret-', 'other-')),
      } as object;
      const producers = producersOf([first, { name: 'p', ...kind.producer }]);
      const ingest = await startIngest({ producers });
      const events = mode === 'batched' ? 2 : 1;

      expect(await send(ingest.port, message(good, kind.shown('secret-1')))).toMatchObject({ status: 202, body: '' });
      expect(ingest.appender.lines).toHaveLength(events);
      expect(await ingest.metric('sink_ingest_producer_events_accepted_total{producer="p"}')).toBe(events);
      expect(await ingest.metric('sink_ingest_producer_requests_accepted_total{producer="p"}')).toBe(1);
      expect(await send(ingest.port, message(bad, kind.shown('secret-1')))).toMatchObject({ status: 400 });

      const strangers = [kind.shown('secret-2'), kind.shown('secret-'), kind.shown('secret-11'), {}, ...kind.malformed];
      for (const stranger of strangers) {
        for (const body of [good, bad]) {
          const answer = await send(ingest.port, message(body, stranger));
          expect(answer, JSON.stringify(stranger)).toMatchObject({
            status: 401,
            headers: { 'www-authenticate': kind.challenge },
            body: 'the request has no credentials of a producer, or wrong ones\n',
          });
        }
      }
      expect(await refused(ingest, '_unknown', 'credentials')).toBe(2 * strangers.length);
      const twice = await send(ingest.port, message(good, kind.twice));
      expect(twice).toMatchObject({ status: 401, headers: { 'www-authenticate': kind.challenge } });
      expect(twice.body).toMatch(/^the (header|parameter) \S+ is given twice\n$/);
      expect(await refused(ingest, '_unknown', 'credentials_twice')).toBe(1);
      expect(await ingest.metric('sink_ingest_requests_refused_total{reason="credentials"}')).toBe(
        2 * strangers.length,
      );
      expect(ingest.appender.lines).toHaveLength(events);
    });
  }

  test(`${name}: a file is rotated while the port is open; an empty one lets nobody in, and one that is gone changes nothing`, async () => {
    const file = join(temporaryDirectory('producers'), 'secrets');
    const write = (text: string): void => {
      writeFileSync(`${file}.new`, text);
      renameSync(`${file}.new`, file);
    };
    write('secret-1\n');
    const producers = producersOf([{ name: 'p', ...kind.withFile(file) }]);
    const ingest = await startIngest({ producers });
    const status = async (secret: string): Promise<number> =>
      (await send(ingest.port, message(MODES['binary']?.good ?? {}, kind.shown(secret)))).status;
    expect([await status('secret-1'), await status('secret-2')]).toEqual([202, 401]);
    write('\nsecret-1\r\nsecret-2\n');
    await expect.poll(() => status('secret-2'), { timeout: 10_000, interval: 20 }).toBe(202);
    expect(await status('secret-1')).toBe(202);
    rmSync(file);
    await expect.poll(() => [...producers.troubles()]).toHaveLength(1);
    expect([...producers.troubles()][0]?.[1]).toBe(
      `${file}: it does not exist; what it contained before stays in force`,
    );
    expect(await status('secret-2')).toBe(202);
    write(' \n');
    await expect.poll(() => status('secret-2'), { timeout: 10_000, interval: 20 }).toBe(401);
    expect([...producers.troubles()]).toEqual([['p', `${file} is empty; it lets nobody in`]]);
    expect(await status('')).toBe(401);
  });
}

test('Authorization that is given twice is said to be, whatever the schemes are and which comes first', async () => {
  for (const kind of [KINDS['basic'], KINDS['bearer']]) {
    const ingest = await startIngest({ producers: producersOf([{ name: 'p', ...kind?.producer }]) });
    const right = String(kind?.shown('secret-1').headers?.['Authorization']);
    for (const other of ['Basic dTpw', 'Bearer x', 'Digest a=b', '']) {
      for (const values of [
        [other, right],
        [right, other],
      ]) {
        const answer = await send(ingest.port, { headers: binary({ Authorization: values }) });
        expect(answer, values.join()).toMatchObject({ status: 401, body: 'the header Authorization is given twice\n' });
      }
    }
  }
});

test('the first producer in the list whose credential matches is the one', async () => {
  const same = { bearer: { tokens: ['t'] } };
  const producers = producersOf([
    { name: 'a', query: { parameter: 'code', tokens: ['t'] } },
    { name: 'b', ...same },
    { name: 'c', ...same },
  ]);
  const ingest = await startIngest({ producers });
  const accepted = (name: string): Promise<number> =>
    ingest.metric(`sink_ingest_producer_requests_accepted_total{producer="${name}"}`);
  await send(ingest.port, { headers: binary({ Authorization: 'Bearer t' }) });
  await send(ingest.port, { headers: binary({ Authorization: 'Bearer t' }), path: '/?code=t' });
  await send(ingest.port, { headers: binary({ Authorization: 'Bearer x' }), path: '/?code=t' });
  expect([await accepted('a'), await accepted('b'), await accepted('c')]).toEqual([2, 1, 0]);
  const challenges = (await send(ingest.port, { headers: binary() })).headers['www-authenticate'];
  expect(challenges).toBe('ApiKey realm="sink-aws-s3", Bearer realm="sink-aws-s3"');
});

test('a change of the configuration holds for the next request on a connection that stays open', async () => {
  const producers = producersOf([]);
  const ingest = await startIngest({ producers });
  const status = async (token: string): Promise<number> =>
    (
      await fetch(`http://127.0.0.1:${ingest.port}`, {
        method: 'POST',
        headers: { ...(binary() as Record<string, string>), Authorization: `Bearer ${token}` },
      })
    ).status;
  expect(await status('a')).toBe(202);
  setProducers(producers, [{ name: 'p', bearer: { tokens: ['a'] } }]);
  expect([await status('a'), await status('b')]).toEqual([202, 401]);
  setProducers(producers, [{ name: 'p', bearer: { tokens: ['b'] } }]);
  expect([await status('a'), await status('b')]).toEqual([401, 202]);
});

test('health, readiness and OPTIONS stay open', async () => {
  const ingest = await startIngest({ producers: producersOf([{ name: 'p', bearer: { tokens: ['t'] } }]) });
  for (const [method, path] of [
    ['GET', '/healthz'],
    ['GET', '/readyz'],
    ['OPTIONS', '/'],
  ] as const) {
    expect(await send(ingest.port, { method, path }), path).toMatchObject({ status: 200 });
  }
  for (const method of ['POST', 'PUT']) {
    expect(await send(ingest.port, { method, path: '/healthz', headers: binary() })).toMatchObject({ status: 401 });
  }
});
