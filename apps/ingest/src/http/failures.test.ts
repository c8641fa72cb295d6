import { gzipSync } from 'node:zlib';
import { startTokenIssuer } from '@sink/testing';
import { expect, onTestFinished, test } from 'vitest';
import { binary, type Ingest, send, startIngest } from '../test/harness.ts';
import { producersOf } from '../test/producers-world.ts';
import type { ProducerLimiter } from './event-request.ts';

const AUDIENCE = 'sink-aws-s3';
const TOKEN = { Authorization: 'Bearer token' };
const NO_LIMIT: ProducerLimiter = { check: () => null, enter: () => null, charge: () => null };

function broken(): never {
  throw new Error('a bug');
}

/** Counts the requests of the producer that are in flight. */
function counting(of: Partial<ProducerLimiter>): ProducerLimiter & { inFlight: number } {
  const limiter = {
    ...NO_LIMIT,
    inFlight: 0,
    enter: () => {
      limiter.inFlight += 1;
      return { leave: () => void (limiter.inFlight -= 1) };
    },
    ...of,
  };
  return limiter;
}

function startWith(given: Parameters<typeof startIngest>[0]): Promise<Ingest> {
  return startIngest({ producers: producersOf([{ name: 'a', bearer: { tokens: ['token'] } }]), ...given });
}

/** The server must still work, and hold nothing (startIngest looks at that). */
async function expectFailure({ port, metric }: Ingest, message: Parameters<typeof send>[1]): Promise<void> {
  for (const count of [1, 2]) {
    expect((await send(port, message)).status).toBe(500);
    expect(await metric('sink_ingest_producer_requests_refused_total{producer="a",reason="internal"}')).toBe(count);
  }
}

test('a failure after a producer was looked up in the background is a 500', async () => {
  const issuer = await startTokenIssuer();
  onTestFinished(() => issuer.close());
  const producers = producersOf([{ name: 'a', jwt: { issuer: issuer.url, audience: AUDIENCE } }]);
  let isBroken = true;
  const ingest = await startIngest({
    producers,
    limiter: { ...NO_LIMIT, check: () => (isBroken ? broken() : null) },
  });
  const headers = async (): Promise<object> => {
    return binary({ Authorization: `Bearer ${await issuer.sign({ aud: AUDIENCE, sub: String(Math.random()) })}` });
  };
  expect((await send(ingest.port, { headers: { ...(await headers()) } })).status).toBe(500);
  isBroken = false;
  expect((await send(ingest.port, { headers: { ...(await headers()) } })).status).toBe(202);
});

test.each(['identity', 'gzip'])('a failure with a whole body of the coding %s is a 500', async (coding) => {
  const limiter = counting({ charge: broken });
  const text = Buffer.from('text');
  const headers = binary({ ...TOKEN, 'Content-Type': 'text/plain', 'Content-Encoding': coding });
  await expectFailure(await startWith({ limiter }), { headers, body: coding === 'gzip' ? gzipSync(text) : text });
  expect(limiter.inFlight).toBe(0);
});

test('a failure of a validation in the background is a 500', async () => {
  const limiter = counting({});
  const validation = { isOn: true, check: () => Promise.reject(new Error('a bug')) };
  await expectFailure(await startWith({ limiter, validation }), { headers: binary(TOKEN) });
  expect(limiter.inFlight).toBe(0);
});
