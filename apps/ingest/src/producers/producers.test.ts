import { expect, test } from 'vitest';
import { producersOf } from '../test/producers-world.ts';
import { binary, send, startIngest } from '../test/harness.ts';

test('with producers, a request without credentials is 401 and one with them is taken', async () => {
  const producers = producersOf([{ name: 'billing', bearer: { tokens: ['t-1'] } }]);
  const ingest = await startIngest({ producers });
  const refused = await send(ingest.port, { headers: binary() });
  expect(refused).toMatchObject({ status: 401, headers: { 'www-authenticate': 'Bearer realm="sink-aws-s3"' } });
  expect(ingest.appender.lines).toEqual([]);
  expect(await send(ingest.port, { headers: binary({ Authorization: 'Bearer t-1' }) })).toMatchObject({ status: 202 });
  expect(await ingest.metric('sink_ingest_producer_events_accepted_total{producer="billing"}')).toBe(1);
});
