import { freePort, type RedisServer, startRedis } from '@sink/testing';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { awaitRedis, type AwaitRedisPorts } from './open-redis.ts';
import { requireRedis } from './require-redis.ts';
import { RedisUnfit } from './requirements.ts';
import type { Requirements } from './requirements.ts';
import { Connections, settingsOf } from './test/connections.ts';

const REQUIRED: Requirements = { durability: 'fsync', maxBacklogBytes: null, receiptsMax: 1000 };

const connections = new Connections();
const servers: RedisServer[] = [];

afterEach(async () => {
  connections.close();
  for (const server of servers.splice(0)) await server.stop();
});

async function start(...args: Parameters<typeof startRedis>): Promise<RedisServer> {
  const server = await startRedis(...args);
  servers.push(server);
  return server;
}

class Ports implements AwaitRedisPorts {
  readonly lines: string[] = [];
  readonly problems: (string | null)[] = [];
  readonly stop = new AbortController();
  /** Called before each wait. */
  waiting: (() => void) | undefined;
  #nowMs = 0;

  readonly log = {
    info: (_: object, message: string) => void this.lines.push(`info ${message}`),
    warn: (fields: object, message: string) => void this.lines.push(`warn ${message} ${JSON.stringify(fields)}`),
    error: (_: object, message: string) => void this.lines.push(`error ${message}`),
  };
  readonly readiness = { set: (_: string, problem: string | null) => void this.problems.push(problem) };
  readonly clock = {
    monotonicMs: () => (this.#nowMs += 1_000),
    sleep: async (ms: number, signal?: AbortSignal) => {
      this.waiting?.();
      await sleep(ms, undefined, signal ? { signal } : {});
    },
  };

  get signal(): AbortSignal {
    return this.stop.signal;
  }
}

test('a server that comes later is waited for, and the log says why meanwhile', async () => {
  const ports = new Ports();
  const port = await freePort();
  const redis = connections.open(settingsOf({ kind: 'single', host: '127.0.0.1', port }));
  const examined = awaitRedis(redis, REQUIRED, ports);
  await new Promise<void>((resolve) => {
    ports.waiting = () => ports.lines.length > 0 && resolve();
  });
  await start({ args: ['--port', String(port)] });
  await expect(examined).resolves.toMatchObject({ warnings: [] });
  expect(ports.lines[0]).toMatch(/^warn waiting for redis .*ECONNREFUSED/);
  expect(ports.lines.at(-1)).toBe('info redis is fit');
  expect(ports.problems.at(0)).toContain('Redis does not answer');
  expect(ports.problems.at(-1)).toBeNull();
});

test('an unfit server ends the waiting', async () => {
  const server = await start({ args: ['--maxmemory-policy', 'allkeys-lru'] });
  const redis = connections.open(settingsOf({ kind: 'single', host: server.host, port: server.port }));
  await expect(awaitRedis(redis, REQUIRED, new Ports())).rejects.toThrow(/noeviction/);
});

test('a refused login ends the waiting, and the password is not in the message', async () => {
  const server = await start({ password: 'right' });
  const target = { kind: 'single', host: server.host, port: server.port } as const;
  for (const login of [{}, { password: 'hunter2' }, { username: 'nobody', password: 'hunter2' }]) {
    const redis = connections.open(settingsOf(target, login));
    const error: unknown = await awaitRedis(redis, REQUIRED, new Ports()).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RedisUnfit);
    expect((error as RedisUnfit).problems).toMatchObject([{ code: 'authentication' }]);
    expect((error as RedisUnfit).message).not.toContain('hunter2');
  }
});

test('a server that is no Cluster ends the waiting of a Cluster client', async () => {
  const server = await start();
  const redis = connections.open(settingsOf({ kind: 'cluster', nodes: [{ host: server.host, port: server.port }] }));
  const error: unknown = await awaitRedis(redis, REQUIRED, new Ports()).catch((reason: unknown) => reason);
  expect((error as RedisUnfit).problems).toMatchObject([{ code: 'cluster' }]);
});

test('waiting ends when the service is stopped', async () => {
  const ports = new Ports();
  const redis = connections.open(settingsOf({ kind: 'single', host: '127.0.0.1', port: await freePort() }));
  ports.waiting = () => ports.stop.abort();
  await expect(awaitRedis(redis, REQUIRED, ports)).rejects.toThrow();
  expect(redis.listenerCount('error')).toBe(1);
});

test('a service by itself needs the address of a Redis', () => {
  expect(() => requireRedis(null)).toThrow('SINK_REDIS_URL');
});
