import { eventually, type RedisServer, startProxy, startRedis } from '@sink/testing';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { IoredisPort } from './ioredis-port.ts';
import type { RedisPort } from './port.ts';
import { assertReached } from './steps/barrier.ts';
import { LaneWorld, ready, type Roles, rolesOn, strictClient } from './test/lane-world.ts';

const world = new LaneWorld();
let replica: RedisServer;
let waitaofKnown = false;

beforeAll(async () => {
  replica = await startRedis({ args: ['--replicaof', world.server.host, String(world.server.port)] });
  const version = /redis_version:(\d+)\.(\d+)/.exec(await world.redis.info('server'));
  waitaofKnown = Number(version?.[1]) * 100 + Number(version?.[2]) >= 702;
});
afterAll(async () => {
  await replica.stop();
});

describe('invariant 4: durability with replicas', () => {
  test('is reached when the replica has the write, and not while it does not answer', async () => {
    const wanted = { waitaof: false, replicas: 1, timeoutMs: 200 };
    await eventually(async () => (await world.redis.info('replication')).includes('state=online'), {
      timeoutMs: 20_000,
    });
    const request = world.request(1);
    expect(await world.ingest.append(request)).toBe('stored');
    expect(await world.batcher.reached({ ...wanted, timeoutMs: 10_000 })).toBe(true);

    replica.signal('SIGSTOP');
    expect(await world.ingest.append(world.request(1))).toBe('stored');
    expect(await world.batcher.reached(wanted)).toBe(false);
    expect(await world.batcher.reached({ ...wanted, replicas: 0 })).toBe(true);
    replica.signal('SIGCONT');
    expect(await world.batcher.reached({ ...wanted, timeoutMs: 10_000 })).toBe(true);
  });

  test('on a connection made after the append, it waits for the repeat of the append', async () => {
    const wanted = { waitaof: false, replicas: 1, timeoutMs: 200 };
    await eventually(async () => (await world.redis.info('replication')).includes('state=online'), {
      timeoutMs: 20_000,
    });
    replica.signal('SIGSTOP');
    const request = world.request(1);
    expect(await world.ingest.append(request)).toBe('stored');
    const client = await ready(strictClient(world.server));
    try {
      const on = rolesOn(new IoredisPort(client));
      expect(await on.ingest.append(request)).toBe('stored');
      expect(await on.batcher.reached(wanted)).toBe(false);
      replica.signal('SIGCONT');
      expect(await on.batcher.reached({ ...wanted, timeoutMs: 10_000 })).toBe(true);
    } finally {
      replica.signal('SIGCONT');
      client.disconnect();
    }
  });

  test('of what other connections wrote is reached with a write of this one', async () => {
    const wanted = { waitaof: false, replicas: 1, timeoutMs: 200 };
    await eventually(async () => (await world.redis.info('replication')).includes('state=online'), {
      timeoutMs: 20_000,
    });
    replica.signal('SIGSTOP');
    try {
      await world.append(1);
      expect(await world.uploader.reachedAfterWrite(wanted)).toBe(false);
      replica.signal('SIGCONT');
      expect(await world.uploader.reachedAfterWrite({ ...wanted, timeoutMs: 10_000 })).toBe(true);
    } finally {
      replica.signal('SIGCONT');
    }
  });

  test('WAITAOF is answered by a server that knows it', async (context) => {
    if (!waitaofKnown) return context.skip('this redis-server is older than 7.2 and has no WAITAOF');
    await world.append(1);
    expect(await world.batcher.reached({ waitaof: true, replicas: 0, timeoutMs: 5_000 })).toBe(true);
    expect(await world.batcher.reached({ waitaof: true, replicas: 1, timeoutMs: 10_000 })).toBe(true);
    expect(await world.batcher.reached({ waitaof: true, replicas: 2, timeoutMs: 50 })).toBe(false);
  });

  test.each([
    ['both are there', [1, 1], true],
    ['the own file is not fsynced', [0, 1], false],
    ['a replica is missing', [1, 0], false],
    ['the answer is none', null, false],
  ])('WAITAOF counts when %s: %o', async (_, answer, reached) => {
    const calls: unknown[] = [];
    const port: RedisPort = {
      run: async () => null,
      call: async (command, args) => {
        calls.push([command, args]);
        return answer;
      },
      callBuffer: async () => null,
    };
    expect(await rolesOn(port).batcher.reached({ waitaof: true, replicas: 1, timeoutMs: 70 })).toBe(reached);
    expect(calls).toEqual([['WAITAOF', [1, 1, 70]]]);
  });

  test('a barrier that is not reached is a retryable error', () => {
    expect(() => assertReached(true, 'sealing')).not.toThrow();
    expect(() => assertReached(false, 'sealing')).toThrow(
      expect.objectContaining({ code: 'NOTDURABLE', retryable: true }),
    );
  });
});

describe('the connection', () => {
  async function behindProxy(
    use: (on: Roles, client: Redis, proxy: Awaited<ReturnType<typeof startProxy>>) => Promise<void>,
  ) {
    const proxy = await startProxy(world.server);
    const client = await ready(strictClient(proxy, { commandTimeout: 150 }));
    try {
      await use(rolesOn(new IoredisPort(client)), client, proxy);
    } finally {
      client.disconnect();
      await proxy.close();
    }
  }

  test('a cut while an answer is outstanding leaves the step in doubt, and the connection sends nothing again', async () => {
    await behindProxy(async (on, client, proxy) => {
      await world.append(1);
      const request = world.request(1);
      proxy.blackhole(true, 'answers');
      const appending = on.ingest.append(request);
      await eventually(async () => (await world.redis.xlen(world.lane.keys.chunks)) === 2);
      proxy.cut();
      proxy.blackhole(false);
      await expect(appending).rejects.toMatchObject({ code: 'in_doubt' });
      await ready(client);
      expect(await on.ingest.append(request)).toBe('stored');
      expect(await world.redis.xlen(world.lane.keys.chunks)).toBe(2);
    });
  });

  test('no answer in time leaves the step in doubt, and its repeat gets the answer of the late execution', async () => {
    await behindProxy(async (on, _client, proxy) => {
      const request = world.request(1);
      proxy.blackhole(true, 'requests');
      await expect(on.ingest.append(request)).rejects.toMatchObject({ code: 'in_doubt' });
      expect(await world.redis.xlen(world.lane.keys.chunks)).toBe(0);
      const repeat = on.ingest.append(request);
      proxy.blackhole(false);
      expect(await repeat).toBe('stored');
      expect(await world.redis.xlen(world.lane.keys.chunks)).toBe(1);
    });
  });

  test('a step that could not be sent is refused, not in doubt', async () => {
    await behindProxy(async (on, client, proxy) => {
      await proxy.refuse(true);
      proxy.cut();
      await eventually(() => client.status !== 'ready');
      await expect(on.ingest.append(world.request(1))).rejects.toMatchObject({ code: 'AWAY' });
      await expect(on.batcher.consumers()).rejects.toMatchObject({ code: 'AWAY' });
      await proxy.refuse(false);
      await ready(client);
      expect(await on.batcher.consumers()).toEqual([]);
    });
  });

  test('a script that Redis forgot is loaded again', async () => {
    await world.append(1);
    await world.redis.script('FLUSH');
    await world.append(1);
    expect(await world.redis.xlen(world.lane.keys.chunks)).toBe(2);
  });
});
