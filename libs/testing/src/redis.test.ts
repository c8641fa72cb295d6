import { existsSync } from 'node:fs';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { startProxy } from './proxy.ts';
import { startRedis } from './redis.ts';
import type { RedisServer } from './redis.ts';

async function withClient<T>(url: string, use: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(url, { retryStrategy: () => null, maxRetriesPerRequest: 0 });
  client.on('error', () => undefined);
  try {
    return await use(client);
  } finally {
    client.disconnect();
  }
}

const config = (server: RedisServer, name: string): Promise<unknown> =>
  withClient(server.url, async (client) => (await client.config('GET', name)) as unknown);

describe('a real Redis of the test', () => {
  test('keeps acknowledged writes over SIGKILL and restart, on the same port and directory', async () => {
    const server = await startRedis();
    const { port, dir, pid } = server;
    await withClient(server.url, (client) => client.set('key', 'kept'));
    await server.kill();
    await expect(withClient(server.url, (client) => client.get('key'))).rejects.toThrow();
    await server.restart();
    expect([server.port, server.dir]).toEqual([port, dir]);
    expect(server.pid).not.toBe(pid);
    expect(await withClient(server.url, (client) => client.get('key'))).toBe('kept');
    await server.stop();
  });

  test('is durable, bounded and never evicts unless its arguments say otherwise', async () => {
    const server = await startRedis({ args: ['--maxmemory', '8mb'] });
    expect(await config(server, 'append*')).toEqual(expect.arrayContaining(['appendfsync', 'always', 'yes']));
    expect(await config(server, 'maxmemory')).toEqual(['maxmemory', String(8 * 1024 * 1024)]);
    expect(await config(server, 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction']);
    expect(await config(server, 'rdbcompression')).toEqual(['rdbcompression', 'no']);
    expect(await config(server, 'save')).toEqual(['save', '']);
    await server.stop();
  });

  test('requires the password of its options', async () => {
    const server = await startRedis({ password: 'p@ss/word' });
    expect(await withClient(server.url, (client) => client.ping())).toBe('PONG');
    await expect(withClient(`redis://${server.host}:${server.port}`, (client) => client.get('x'))).rejects.toThrow(
      'NOAUTH',
    );
    await server.stop();
  });

  test('works through the proxy, and several run at the same time', async () => {
    const servers = await Promise.all([startRedis(), startRedis()]);
    for (const server of servers) {
      const proxy = await startProxy(server);
      await withClient(`redis://${proxy.host}:${proxy.port}`, (client) => client.set('port', server.port));
      expect(await withClient(server.url, (client) => client.get('port'))).toBe(String(server.port));
      await proxy.close();
      await server.stop();
    }
  });

  test('a server that hangs can still be stopped', async () => {
    const server = await startRedis();
    server.signal('SIGSTOP');
    await server.stop();
    expect(existsSync(`/proc/${server.pid}`)).toBe(false);
  });

  test('a wrong argument fails with the message of Redis', async () => {
    await expect(startRedis({ args: ['--no-such-option', '1'] })).rejects.toThrow(/FATAL CONFIG FILE ERROR/);
  });
});
