import { readdirSync, writeFileSync, mkdirSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { silentLog, systemClock } from '@sink/runtime';
import { eventually, startRedis, temporaryDirectory } from '@sink/testing';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { DiskWatch } from './disk-watch.ts';
import { AOF_FOLDER } from './redis-conf.ts';
import { askRedis } from './redis-console.ts';
import { bytesBelow, removeLeftovers, removeOpenSegments } from './volume.ts';

const MIB = 1024 * 1024;
const password = 'secret';

test('on a small disk Redis rewrites its file when it has doubled, before and while the services run', async () => {
  const dataDir = temporaryDirectory('watch');
  const directory = join(dataDir, 'redis');
  const server = await startRedis({ dir: directory, password, args: ['--auto-aof-rewrite-percentage', '0'] });
  const client = new Redis(server.url);
  const redis = { directory, port: server.port, password };
  const plan = { isSmall: true, rewriteMinBytes: 8 * MIB, reserveBytes: 0 };
  const watch = new DiskWatch({ dataDir, redis, plan, clock: systemClock, log: silentLog });
  const turnOver = async (): Promise<void> => {
    for (let n = 0; n < 20; n++) await client.set('key', 'x'.repeat(MIB));
  };
  const file = (): number => bytesBelow(join(directory, AOF_FOLDER));

  await turnOver();
  expect(file()).toBeGreaterThan(20 * MIB);
  await watch.prepare(new AbortController().signal);
  await eventually(() => expect(file()).toBeLessThan(4 * MIB));

  const ended = new AbortController();
  const running = watch.runUntil(ended.signal);
  await turnOver();
  await eventually(() => expect(file()).toBeLessThan(10 * MIB));
  ended.abort();
  await running;
  await client.quit();
  await server.stop();
});

test('a command to Redis has its answer, or its refusal', async () => {
  const server = await startRedis({ password });
  const redis = { port: server.port, password };
  expect(await askRedis(redis, 'PING')).toBe('+PONG\r\n');
  expect(await askRedis(redis, 'INFO', 'memory')).toContain('used_memory_dataset:');
  await expect(askRedis(redis, 'NONSENSE')).rejects.toThrow(/unknown command/);
  await expect(askRedis({ ...redis, password: 'wrong' }, 'PING')).rejects.toThrow(/WRONGPASS/);
  await server.stop();
  await expect(askRedis(redis, 'PING')).rejects.toThrow(/ECONNREFUSED/);
});

test('what a crash left half-written is removed, and nothing else', () => {
  const dataDir = temporaryDirectory('leftovers');
  const files = [
    'redis/temp-rewriteaof-bg-12.aof',
    'redis/temp-12.rdb',
    'redis/appendonlydir/appendonly.aof.1.incr.aof',
    'spool/b-1/s-1.open',
    'spool/b-1/s-2.segment',
    'spool/b-1/s-3.spilled',
  ].map((name) => join(dataDir, name));
  for (const file of files) {
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, 'x');
  }
  removeLeftovers(join(dataDir, 'redis'));
  removeOpenSegments(join(dataDir, 'spool'));
  expect(files.filter((file) => existsSync(file)).map((file) => file.slice(dataDir.length + 1))).toEqual([
    'redis/appendonlydir/appendonly.aof.1.incr.aof',
    'spool/b-1/s-2.segment',
    'spool/b-1/s-3.spilled',
  ]);
  expect(readdirSync(join(dataDir, 'redis'))).toEqual(['appendonlydir']);
});
