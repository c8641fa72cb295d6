import { expect, test } from 'vitest';
import { backlogLimit } from './backlog-limit.ts';
import { parseInfo } from './server-settings.ts';

test('INFO is read line by line, values with colons whole', () => {
  const info = parseInfo('# Server\r\nredis_version:7.2.4\r\n\r\n# Clients\r\nexecutable:/a:b\r\nempty:\r\n');
  expect([...info]).toEqual([
    ['redis_version', '7.2.4'],
    ['executable', '/a:b'],
    ['empty', ''],
  ]);
});

test('where neither maxmemory nor the memory of the machine can be seen, the backlog that is given counts', () => {
  const required = { maxBacklogBytes: 1e9, receiptsMax: 1000 };
  const limit = backlogLimit(new Map(), new Map(), required);
  expect(limit).toMatchObject({ backlogBytesMax: 1e9, maxmemoryBytes: null, problems: [] });
  expect(backlogLimit(new Map(), new Map(), { ...required, maxBacklogBytes: null }).problems).toMatchObject([
    { code: 'maxmemory', remedy: expect.stringContaining('max_backlog_bytes') as string },
  ]);
});
