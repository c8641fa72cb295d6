import { afterEach, expect, test } from 'vitest';
import { IoredisPort } from './ioredis-port.ts';
import { LaneWorld, ready, receiptOf, recordOf, rolesOn, strictClient } from './test/lane-world.ts';

const world = new LaneWorld();
const WRITES = ['xadd', 'hset', 'hincrby', 'xack', 'hdel', 'xdel', 'del', 'xgroup|delconsumer', 'pexpire'];

/** The lane as a user sees it who may do everything but this. */
async function without(command: string) {
  await world.redis.acl('SETUSER', 'some', 'reset', 'on', '>pw', '~*', '+@all', `-${command}`);
  const redis = await ready(strictClient(world.server, { username: 'some', password: 'pw' }));
  redis.on('close', () => undefined);
  clients.push(redis);
  return rolesOn(new IoredisPort(redis));
}
const clients: { disconnect(): void }[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.disconnect();
});

test.each(WRITES)('a step is refused whole, before its first write, for a user without %s', async (command) => {
  const [a, b] = [await world.append(2), await world.append(2)];
  await world.read();
  await world.seal('s1', [[a, 0, 2]]);
  const { ingest, batcher, uploader } = await without(command);
  const record = recordOf('s2', [[b, 0, 2]]);
  const steps = [
    () => ingest.append(world.request(3)),
    () => batcher.seal(record, JSON.stringify(record)),
    () => uploader.commit(receiptOf('s1'), 100),
    () => batcher.release(recordOf('s1', [[a, 0, 2]]), 'spool'),
    () => batcher.leave('b1'),
    () => batcher.takeLease('b2', 1_000),
  ];
  let refused = 0;
  for (const take of steps) {
    const before = await world.everything();
    const refusal = await take().then(
      () => null,
      (error: unknown) => error,
    );
    if (refusal === null) continue;
    refused += 1;
    expect(refusal).toMatchObject({
      code: 'NOPERM',
      message: expect.stringMatching(/key=\{sink:0\}.*docs\/redis.md/) as unknown,
    });
    expect(await world.everything()).toEqual(before);
  }
  expect(refused).toBeGreaterThan(0);
});
