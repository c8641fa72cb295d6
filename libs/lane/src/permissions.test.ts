import { afterEach, expect, test } from 'vitest';
import { IoredisPort } from './ioredis-port.ts';
import { LaneWorld, ready, receiptOf, recordOf, rolesOn, strictClient } from './test/lane-world.ts';

const world = new LaneWorld();
const WRITES = [
  ...['xadd', 'hset', 'hincrby', 'xack', 'hdel', 'xdel', 'del', 'xgroup|delconsumer', 'pexpire'],
  ...['sadd', 'unlink'],
];

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
  const marks = { fingerprints: Buffer.alloc(16, 1), lineBytes: [7] };
  const steps = [
    () => ingest.append(world.request(3)),
    () =>
      ingest.appendOnce(world.request(1, { body: '"only"\n', marks }), { windowMs: 60_000, fingerprintsMax: 1_000 }),
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

test('an append that needs another id is refused before its first write for a user without xdel', async () => {
  // Redis' clock was set back: the top of the stream is in the future.
  await world.redis.xadd(world.lane.keys.chunks, '9999999999999-0', 'v', '99');
  const { ingest } = await without('xdel');
  const before = await world.everything();
  await expect(ingest.append(world.request(3))).rejects.toMatchObject({ code: 'NOPERM' });
  expect(await world.everything()).toEqual(before);
});
