import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '@sink/config';
import { startS3, temporaryDirectory } from '@sink/testing';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { check, meanings } from './check.ts';

afterEach(() => vi.unstubAllEnvs());

const config = (overrides: Record<string, unknown>): ReturnType<typeof loadConfig> =>
  loadConfig({ env: {}, overrides: { data_dir: '/var/sink', ...overrides }, readText: () => 'missing' });

describe('how check explains a configuration', () => {
  const said = (overrides: Record<string, unknown>): Record<string, string> =>
    Object.fromEntries(meanings(config(overrides)));

  test('an empty one: its own Redis, plain files', () => {
    const meaning = said({});
    expect(meaning['Redis']).toBe('the sink starts its own, on 127.0.0.1 port (a free one)');
    expect(meaning['a 2xx means']).toBe('the event is fsynced by Redis; until then a request is held 3 s');
    expect(meaning['objects']).toMatch(/^\/var\/sink\/objects\/[\d/]+ at this hour, as plain files$/);
    expect(meaning['data']).toBe('/var/sink (spool, Redis)');
  });

  test('where S3 is and how it is reached, and what names it', () => {
    const env = { AWS_ENDPOINT_URL_S3: 'http://localhost:18150', HTTPS_PROXY: 'http://u:hunter22@proxy:3128' };
    const overrides = { bucket: 'mine', data_dir: '/d' };
    const meaning = Object.fromEntries(meanings(loadConfig({ env, overrides, readText: () => 'missing' })));
    expect(meaning['objects']).toContain(
      ', at http://localhost:18150 (AWS_ENDPOINT_URL_S3), through the proxy http://proxy:3128 (HTTPS_PROXY), credentials from the AWS environment, the profile default (',
    );
    expect(JSON.stringify(meaning)).not.toContain('hunter22');
  });

  test('a full one, without its secrets', () => {
    const meaning = said({
      'redis.url': 'rediss://user:hunter22@redis.example:6380/3',
      'aws.access_key_id': 'AKIDEXAMPLE',
      'aws.secret_access_key': 'verysecret',
      bucket: 'mine',
      region: 'eu-west-1',
      durability: 'everysec',
      replicas: 2,
      compression: 'zstd',
      compression_level: 3,
      max_backlog_bytes: '1GiB',
    });
    expect(meaning['Redis']).toBe('redis.example:6380, database 3, TLS; keys begin with {sink-aws-s3:');
    expect(meaning['a 2xx means']).toContain('fsyncs within about a second, and 2 replicas have it');
    expect(meaning['objects']).toContain(', at AWS eu-west-1, credentials from the configured key');
    expect(meaning['compression']).toBe('zstd, level 3');
    expect(meaning['backlog']).toContain('1 GiB');
    expect(JSON.stringify(meaning)).not.toMatch(/hunter22|verysecret|AKIDEXAMPLE/);
  });
});

test('no path has two slashes in a row', () => {
  for (const bucket of ['file:///var/objects/', 'file:///var//objects', 'events']) {
    const more = bucket === 'events' ? { endpoint: 'http://minio:9000/', prefix: 'logs/' } : {};
    for (const [name, meaning] of meanings(config({ bucket, ...more }))) {
      expect(meaning.replaceAll('://', ''), `${bucket}, ${name}`).not.toContain('//');
    }
  }
});

describe('check tries the bucket', () => {
  const keys = { bucket: 'events', accessKeyId: 'AKIAFAKE', secretAccessKey: 'secret' };

  async function checked(
    overrides: Record<string, unknown>,
    bucketMs = 10_000,
  ): Promise<{ code: number; said: string }> {
    const lines: string[] = [];
    const code = await check({
      config: config({ bucket: 'events', region: 'us-east-1', ...overrides }),
      env: { SINK_REDIS_SERVER: process.env['SINK_REDIS_SERVER'] },
      write: (line) => void lines.push(line),
      limits: { redisMs: 10_000, bucketMs },
    });
    return { code, said: lines.join('\n') };
  }

  test('and finds out whether the store overwrites', async () => {
    const stores = [await startS3(keys), await startS3({ ...keys, ignores: ['condition'] })];
    const aws = { access_key_id: keys.accessKeyId, secret_access_key: keys.secretAccessKey };
    const [good, careless] = await Promise.all(stores.map(({ url }) => checked({ endpoint: url, aws })));
    expect(good).toMatchObject({ code: 0, said: expect.not.stringContaining('warning') as string });
    expect(careless).toMatchObject({ code: 0, said: expect.stringContaining('warning: the store ignores') as string });
    await Promise.all(stores.map((store) => store.stop()));
  });

  test('for a limited time, also where credentials do not come', async () => {
    const file = join(temporaryDirectory('check'), 'config');
    writeFileSync(file, '[default]\ncredential_process = sleep 8\n');
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_PROFILE']) vi.stubEnv(name, undefined);
    vi.stubEnv('AWS_CONFIG_FILE', file);
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', `${file}.none`);
    const startedMs = performance.now();
    const { code, said } = await checked({}, 500);
    expect(code).toBe(1);
    expect(said).toContain('Bucket: FAILED: ');
    expect(performance.now() - startedMs).toBeLessThan(6_000);
  });
});
