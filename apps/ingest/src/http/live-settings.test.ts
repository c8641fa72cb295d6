import { expect, test } from 'vitest';
import { startIngest } from '../test/harness.ts';

const TYPE = { 'Content-Type': 'application/cloudevents+json' };

function event(data: string, headers: Readonly<Record<string, string>> = {}): RequestInit {
  const body = `{"specversion":"1.0","id":"1","source":"/s","type":"t","data":${data}}`;
  return { method: 'POST', headers: { ...TYPE, ...headers }, body };
}

test('limits, hold and decoding change for the next request on a connection that stays open', async () => {
  const ingest = await startIngest({ config: { maxBodyBytes: 1000, malformedJson: 'refuse' } });
  const url = `http://127.0.0.1:${ingest.port}/`;
  const status = async (data: string): Promise<number> => (await fetch(url, event(data))).status;
  const large = JSON.stringify('x'.repeat(2000));
  expect(await status(large)).toBe(413);
  ingest.change({ maxBodyBytes: 10_000 });
  expect(await status(large)).toBe(202);
  ingest.change({ maxBodyBytes: 1000 });
  expect(await status(large)).toBe(413);

  expect(await status(String.raw`"\ud800"`)).toBe(400);
  ingest.change({ malformedJson: 'store' });
  expect(await status(String.raw`"\ud800"`)).toBe(202);

  const binary = { 'ce-id': 'a%20b', 'ce-source': '/s', 'ce-type': 't', 'ce-specversion': '1.0' };
  const stored = async (): Promise<unknown> => {
    await fetch(url, { method: 'POST', headers: binary });
    return (JSON.parse(ingest.appender.lines.at(-1) ?? '') as { id: unknown }).id;
  };
  ingest.change({ attributeEncoding: 'raw' });
  expect(await stored()).toBe('a%20b');
  ingest.change({ attributeEncoding: 'percent' });
  expect(await stored()).toBe('a b');

  const mislabelled = event('1', { 'Content-Type': 'application/json' });
  expect((await fetch(url, mislabelled)).status).toBe(400);
  ingest.change({ lenientContentType: true });
  expect((await fetch(url, mislabelled)).status).toBe(202);
});

test('a changed keep_alive_timeout is that of the next answer', async () => {
  const ingest = await startIngest({ config: { keepAliveTimeoutMs: 100_000 } });
  const timeout = async (): Promise<string | null> =>
    (await fetch(`http://127.0.0.1:${ingest.port}/`, event('1'))).headers.get('Keep-Alive');
  expect(await timeout()).toBe('timeout=100');
  ingest.change({ keepAliveTimeoutMs: 7_000 });
  expect(await timeout()).toBe('timeout=7');
});

test('requests that wait for room get in when max_in_flight_bytes rises', async () => {
  const ingest = await startIngest({ config: { maxInFlightBytes: 10_000, holdMaxMs: 20_000 } });
  const url = `http://127.0.0.1:${ingest.port}/`;
  ingest.appender.hold();
  const data = JSON.stringify('x'.repeat(5_000));
  const first = fetch(url, event(data));
  await expect.poll(() => ingest.appender.lines.length).toBe(1);
  const second = fetch(url, event(data));
  await expect.poll(() => ingest.metric('sink_ingest_waiting_requests')).toBe(1);
  ingest.change({ maxInFlightBytes: 1_000_000 });
  await expect.poll(() => ingest.appender.lines.length).toBe(2);
  ingest.appender.letGo();
  expect([(await first).status, (await second).status]).toEqual([202, 202]);
});
