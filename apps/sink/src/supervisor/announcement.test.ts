import { loadConfig } from '@sink/config';
import { describe, expect, test } from 'vitest';
import { announcement, announcementText } from './announcement.ts';

const NOW_MS = Date.UTC(2026, 10, 23, 7, 59, 59);

const config = (overrides: Record<string, unknown>): ReturnType<typeof loadConfig> =>
  loadConfig({ env: {}, overrides: { data_dir: '/var/sink', ...overrides }, readText: () => 'missing' });

describe('the announcement of a sink that is ready', () => {
  test('names the address, the folder of this hour and a command that can be pasted', () => {
    const news = announcement(config({ port: 9000, scheduled_interval: 5 }), NOW_MS);
    expect(news.post).toBe('http://localhost:9000/');
    expect(news.objects).toBe('/var/sink/objects/2026/11/23/07/');
    expect(news.when).toBe('after 1000 events, 128 MiB or 5 s, whichever comes first');
    expect(announcementText(news)).toContain(`    curl -i http://localhost:9000/ -H 'Content-Type: application/cloude`);
  });

  test('names the size in the bucket at which an object is closed', () => {
    expect(announcement(config({ target_object_size: '16MiB' }), NOW_MS).when).toBe(
      'after 10000000 events, 16 MiB in the bucket, 4 GiB before compression or 1 m, whichever comes first',
    );
  });

  test('with a certificate the address is an https:// one', () => {
    const news = announcement(config({ port: 9000, tls: { cert_file: '/a.crt', key_file: '/a.key' } }), NOW_MS);
    expect(news.post).toBe('https://localhost:9000/');
    expect(news.example).toMatch(/^curl -i -k https:\/\/localhost:9000\/ /);
  });

  test('lists the problems with which events are taken all the same', () => {
    const news = announcement(config({ port: 9000 }), NOW_MS);
    const text = announcementText(news, ['uploader bucket: access denied. Allow s3:PutObject']);
    expect(text).toContain('but not everything works yet:\n  - uploader bucket: access denied. Allow s3:PutObject\n');
    expect(text).not.toContain('is ready');
  });

  test('names the bucket with its prefix, and the folder of the day', () => {
    const bucket = { bucket: 'mine', region: 'eu-west-1', prefix: 'raw/', time_interval: 'DAILY' };
    expect(announcement(config(bucket), NOW_MS).objects).toBe('s3://mine/raw/2026/11/23/');
  });
});
