import { type AddressInfo, createServer } from 'node:net';
import { startTokenIssuer } from '@sink/testing';
import { expect, onTestFinished, test } from 'vitest';
import { type Answer, send, startIngest } from '../test/harness.ts';
import { producersOf } from '../test/producers-world.ts';

function ask(port: number, headers: Readonly<Record<string, string>>): Promise<Answer> {
  return send(port, { method: 'OPTIONS', headers: { 'WebHook-Request-Origin': 'eventgrid.azure.net', ...headers } });
}

test('without webhook_allowed_origins every origin may send; with it, others get no WebHook-Allowed-Origin', async () => {
  const ingest = await startIngest();
  const open = await ask(ingest.port, {});
  expect(open).toMatchObject({ status: 200, body: '', headers: { allow: 'POST' } });
  expect(open.headers).toMatchObject({ 'webhook-allowed-origin': 'eventgrid.azure.net', 'webhook-allowed-rate': '*' });

  ingest.change({ webhookAllowedOrigins: ['EventGrid.azure.net', 'b.example'] });
  expect((await ask(ingest.port, {})).headers['webhook-allowed-origin']).toBe('eventgrid.azure.net');
  const other = await ask(ingest.port, { 'WebHook-Request-Origin': 'a.example' });
  expect(other).toMatchObject({ status: 200, headers: { allow: 'POST' } });
  expect(other.headers).not.toHaveProperty('webhook-allowed-origin');
  expect(other.headers).not.toHaveProperty('webhook-allowed-rate');
  ingest.change({ webhookAllowedOrigins: ['*'] });
  expect((await ask(ingest.port, { 'WebHook-Request-Origin': 'a.example' })).headers['webhook-allowed-origin']).toBe(
    'a.example',
  );
});

test('the rate is that of the producer whose credentials the request has, a minute', async () => {
  const producers = producersOf([
    { name: 'a', bearer: { tokens: ['t'] }, limits: { events_per_second: 5 } },
    { name: 'b', query: { parameter: 'code', tokens: ['u'] } },
  ]);
  const ingest = await startIngest({ producers });
  const rate = async (headers: Record<string, string>): Promise<unknown> =>
    (await ask(ingest.port, headers)).headers['webhook-allowed-rate'];
  expect(await rate({ Authorization: 'Bearer t', 'WebHook-Request-Rate': '120' })).toBe('300');
  expect(await rate({ Authorization: 'Bearer x' })).toBe('*');
  expect(await rate({})).toBe('*');
});

test('the answer to a token comes at once: with the rate if its key is there, else without one', async () => {
  const issuer = await startTokenIssuer();
  onTestFinished(() => issuer.close());
  let answerLater = (): void => undefined;
  issuer.answer = (path, response) => {
    if (path !== '/jwks') return false;
    answerLater = () => void response.end(JSON.stringify({ keys: issuer.keys.map(({ jwk }) => jwk) }));
    return true;
  };
  const jwt = { issuer: issuer.url, audience: 'sink' };
  const producers = producersOf([{ name: 'a', jwt, limits: { events_per_second: 5 } }]);
  const ingest = await startIngest({ producers });
  const token = { Authorization: `Bearer ${await issuer.sign({ aud: 'sink' })}` };
  await expect.poll(() => issuer.asked).toContain('/jwks');
  expect((await ask(ingest.port, token)).headers['webhook-allowed-rate']).toBe('*');
  answerLater();
  await expect.poll(async () => (await ask(ingest.port, token)).headers['webhook-allowed-rate']).toBe('300');
});

test('the address of WebHook-Request-Callback is never asked for', async () => {
  let connections = 0;
  const callback = createServer(() => void (connections += 1));
  await new Promise<void>((resolve) => callback.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void callback.close());
  const { port } = callback.address() as AddressInfo;
  const ingest = await startIngest();
  const headers = { 'WebHook-Request-Callback': `http://127.0.0.1:${port}/validate?id=0` };
  expect(await ask(ingest.port, headers)).toMatchObject({ status: 200 });
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(connections).toBe(0);
});
