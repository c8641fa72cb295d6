import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, startProcess, temporaryDirectory } from '@sink/testing';
import { expect, test } from 'vitest';
import { maxmemoryFor, newRedisSettings, readLastRedis, redisConf, writeRedisConf } from './redis-conf.ts';

const MIB = 1024 * 1024;

test.each([
  [8192 * MIB, 1024 * MIB],
  [2048 * MIB, 512 * MIB],
  [512 * MIB, 256 * MIB],
])('on a machine with %d bytes Redis may use %d', (memoryBytes, maxmemoryBytes) => {
  expect(maxmemoryFor(memoryBytes)).toBe(maxmemoryBytes);
});

test('redis.conf has every line a 2xx depends on, and only its user can read it', () => {
  const settings = newRedisSettings(temporaryDirectory('redis'), 7777, 4096 * MIB);
  const lines = redisConf(settings).split('\n');
  for (const line of [
    'bind 127.0.0.1',
    'protected-mode yes',
    'appendonly yes',
    'appendfsync always',
    'no-appendfsync-on-rewrite no',
    'auto-aof-rewrite-min-size 512mb',
    'rdbcompression no',
    'maxmemory-policy noeviction',
  ]) {
    expect(lines).toContain(line);
  }
  expect(lines).toContain(`requirepass ${settings.password}`);
  expect(newRedisSettings(settings.directory, 7777, 0).password).not.toBe(settings.password);
  expect(statSync(writeRedisConf(settings)).mode & 0o777).toBe(0o600);
});

test('on a small disk Redis does not rewrite its file by itself', () => {
  const lines = redisConf(newRedisSettings(temporaryDirectory('redis'), 7777, 0, false)).split('\n');
  expect(lines).toContain('auto-aof-rewrite-percentage 0');
  expect(lines.join()).not.toContain('auto-aof-rewrite-min-size');
});

test('a real redis-server accepts the file, in a directory whose name needs quoting', async () => {
  const directory = join(temporaryDirectory('redis'), 'a "b" c\\d é');
  mkdirSync(directory);
  const settings = newRedisSettings(directory, await freePort(), 0);
  const conf = writeRedisConf(settings);
  const server = await startProcess({ command: process.env['SINK_REDIS_SERVER'] ?? 'redis-server', args: [conf] });
  await server.waitFor(/Ready to accept connections/);
  const last = readLastRedis(directory);
  expect(last?.port).toBe(settings.port);
  expect(statSync(last?.pidFile ?? '').isFile()).toBe(true);
  expect(statSync(join(directory, 'appendonlydir')).isDirectory()).toBe(true);
  await server.kill('SIGTERM');
});

test('a directory without redis.conf has no last Redis', () => {
  expect(readLastRedis(temporaryDirectory('redis'))).toBeNull();
});
