import { loadConfig } from '@sink/config';
import { describe, expect, test } from 'vitest';
import { meanings } from './check.ts';

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
      ', at http://localhost:18150 (AWS_ENDPOINT_URL_S3), through the proxy http://proxy:3128 (HTTPS_PROXY), credentials from the AWS default chain: the profile default of ',
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
