import { eventually, freePort } from '@sink/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Pipeline } from '../harness/pipeline.ts';
import { AUDIENCE, OidcProvider } from './provider.ts';

let provider: OidcProvider;
let sink: Pipeline | undefined;
/** The ids of the events that were answered with 202. */
let accepted: string[];
let sent: number;

beforeEach(async () => {
  provider = new OidcProvider(await freePort());
  await provider.rotate('first');
  accepted = [];
  sent = 0;
});
afterEach(async () => {
  await sink?.stop();
  sink = undefined;
  await provider.stop();
});

async function startSink(jwt: object = {}): Promise<void> {
  const producers = [{ name: 'sender', jwt: { issuer: provider.issuer, audience: AUDIENCE, ...jwt } }];
  sink = await Pipeline.start({
    settings: { SINK_PRODUCERS: JSON.stringify(producers), SINK_SCHEDULED_INTERVAL: '1s', SINK_DURABILITY: 'fsync' },
  });
}

/** Sends one event, and gives the status of the answer. */
async function send(token: string): Promise<number> {
  const id = `event-${++sent}`;
  const url = sink?.of('ingest')[0]?.url ?? '';
  const headers = { 'ce-id': id, 'ce-source': '/oidc', 'ce-type': 't', 'ce-specversion': '1.0' };
  const answer = await fetch(url, { method: 'POST', headers: { ...headers, Authorization: `Bearer ${token}` } });
  if (answer.status === 202) accepted.push(id);
  if (answer.status === 503) expect(answer.headers.get('retry-after')).toBe('5');
  if (answer.status === 401) expect(answer.headers.get('www-authenticate')).toContain('Bearer');
  return answer.status;
}

/** A token of the provider, which is then stopped. */
async function tokenThenAway(audience?: string): Promise<string> {
  await provider.start();
  const token = await provider.token(audience);
  await provider.stop();
  return token;
}

async function metric(line: string): Promise<number> {
  const text = await (await fetch(`${sink?.of('ingest')[0]?.opsUrl ?? ''}/metrics`)).text();
  const found = text.split('\n').find((one) => one.startsWith(`${line} `));
  return Number(found?.slice(line.length + 1) ?? Number.NaN);
}

/** All that was accepted is stored, and nothing else, each once. */
async function expectStored(): Promise<void> {
  await sink?.drained();
  const lines = [...((await sink?.objects())?.values() ?? [])].flat();
  const ids = lines.map((line) => (JSON.parse(line) as { id: string }).id);
  expect(ids.toSorted()).toEqual(accepted.toSorted());
}

it(
  'a provider that is away at the start: 503, never 401, and then its tokens are known',
  { timeout: 120_000 },
  async () => {
    const [token, other] = [await tokenThenAway(), await tokenThenAway('another')];
    await startSink();
    expect(await send(token)).toBe(503);
    expect(await send(other)).toBe(401);
    expect(await metric('sink_ready')).toBe(1);
    const away = `fetching ${provider.issuer}/.well-known/openid-configuration: `;
    const { url = '', opsUrl = '' } = sink?.of('ingest')[0] ?? {};
    const forOperators = await fetch(`${opsUrl}/readyz`);
    expect(forOperators.status).toBe(200);
    expect(await forOperators.text()).toContain(away);
    // Whoever reaches the main port learns that there is a problem, and no address.
    const forAll = await fetch(`${url}/readyz`);
    expect(forAll.status).toBe(200);
    const warnings = await forAll.text();
    expect(warnings).toContain('credentials of producers have problems');
    expect(warnings).not.toContain(provider.issuer);
    expect(await metric(`sink_ingest_key_fetches_total{issuer="${provider.issuer}",result="failure"}`)).toBeGreaterThan(
      0,
    );
    await provider.start();
    await eventually(async () => expect(await send(token)).toBe(202), { timeoutMs: 20_000 });
    expect(await send(token)).toBe(202);
    expect(await metric('sink_ingest_tokens_remembered')).toBe(1);
    await expectStored();
  },
);

it('a provider that goes away, and comes back with other keys', { timeout: 120_000 }, async () => {
  await provider.start();
  const [early, late] = [await provider.token(), await provider.token()];
  await startSink();
  expect(await send(early)).toBe(202);
  await provider.stop();
  // The key of both is known.
  expect(await send(early)).toBe(202);
  expect(await send(late)).toBe(202);

  // A token that is signed with a key that the sink does not have yet.
  await provider.rotate('second');
  const rotated = await tokenThenAway();
  expect(await send(rotated)).toBe(503);
  expect(await send(early)).toBe(202);

  // The first request with the new key waits for it, at most until five seconds after the last fetch.
  await provider.start();
  await eventually(async () => expect(await send(rotated)).toBe(202), { timeoutMs: 20_000 });
  // The old key is not published any more.
  await eventually(async () => expect(await send(early)).toBe(401), { timeoutMs: 20_000 });
  expect(await send(late)).toBe(401);
  expect(await metric('sink_ingest_tokens_remembered')).toBe(1);
  expect(await metric(`sink_ingest_key_age_seconds{issuer="${provider.issuer}"}`)).toBeLessThan(30);
  await expectStored();
});

it('a key that is rotated while the provider is there costs no refusal', { timeout: 120_000 }, async () => {
  await provider.start();
  const first = await provider.token();
  await startSink({ subjects: ['sender'], claims: { client_id: 'sender' } });
  for (let round = 0; round < 3; round++) {
    expect(await send(round === 0 ? first : await provider.token())).toBe(202);
    await provider.rotate(`key-${round}`);
    await provider.stop();
    await provider.start();
    const statuses = await Promise.all(Array.from({ length: 20 }, async () => send(await provider.token())));
    expect(new Set(statuses)).toEqual(new Set([202]));
  }
  await expectStored();
});

it('another subject and another client are forbidden', { timeout: 120_000 }, async () => {
  await provider.start();
  await startSink({ subjects: ['somebody else'] });
  expect(await send(await provider.token())).toBe(403);
  expect(await send(await provider.token('another'))).toBe(401);
  await expectStored();
});
