import { loadConfig } from '@sink/config';
import { describe, expect, test } from 'vitest';
import { announcement, announcementText } from './announcement.ts';
import { meanings } from '../cli/check.ts';

const NOW_MS = Date.UTC(2026, 10, 23, 7, 59, 59);

const config = (overrides: Record<string, unknown>): ReturnType<typeof loadConfig> =>
  loadConfig({ env: {}, overrides: { data_dir: '/var/sink', ...overrides }, readText: () => 'missing' });

describe('what is said when the sink is ready', () => {
  test('names the address, the folder of this hour and a command that can be pasted', () => {
    const news = announcement(config({ port: 9000, scheduled_interval: 5 }), NOW_MS);
    expect(news.post).toBe('http://localhost:9000/');
    expect(news.objects).toBe('/var/sink/objects/2026/11/23/07/');
    expect(news.when).toBe('after 1000 events, 128 MiB or 5 s, whichever comes first');
    expect(announcementText(news)).toContain(`    curl -i http://localhost:9000/ -H 'Content-Type: application/cloude`);
  });

  test('names the bucket with its prefix, and the folder of the day', () => {
    const bucket = { bucket: 'mine', region: 'eu-west-1', prefix: 'raw/', time_interval: 'DAILY' };
    expect(announcement(config(bucket), NOW_MS).objects).toBe('s3://mine/raw/2026/11/23/');
  });
});

describe('what check says of a configuration', () => {
  const said = (overrides: Record<string, unknown>): Record<string, string> =>
    Object.fromEntries(meanings(config(overrides)));

  test('without any: its own Redis, plain files', () => {
    const meaning = said({});
    expect(meaning['Redis']).toBe('one of its own, on 127.0.0.1 port (a free one)');
    expect(meaning['a 2xx means']).toBe('the event is fsynced by Redis; until then a request is held 3 s');
    expect(meaning['objects']).toMatch(/^\/var\/sink\/objects\/[\d/]+ at this hour, as plain files$/);
    expect(meaning['data']).toBe('/var/sink (spool, Redis)');
  });

  test('with everything given, and no secret in it', () => {
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
    expect(meaning['objects']).toContain(', at AWS eu-west-1, credentials from the key that is configured');
    expect(meaning['compression']).toBe('zstd, level 3');
    expect(meaning['backlog']).toContain('1 GiB');
    expect(JSON.stringify(meaning)).not.toMatch(/hunter22|verysecret|AKIDEXAMPLE/);
  });
});
