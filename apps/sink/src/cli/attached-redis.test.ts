import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '@sink/config';
import { temporaryDirectory } from '@sink/testing';
import { expect, test } from 'vitest';
import { newHolder } from '../own-redis/lock-holder.ts';
import { attachRedis } from './attached-redis.ts';

test('a tool beside a sink in another container says at once where to run it', async () => {
  const dataDir = temporaryDirectory('attached');
  mkdirSync(join(dataDir, 'redis'));
  const sink = newHolder({ host: 'web-1', boot: 'another kernel', pidNamespace: 'pid:[1]' }, null);
  writeFileSync(join(dataDir, 'redis', 'sink.lock'), JSON.stringify(sink));
  const config = loadConfig({ env: {}, overrides: { data_dir: dataDir }, readText: () => 'missing' });
  await expect(attachRedis(config, {}, new AbortController().signal)).rejects.toThrow(
    'runs in another container, or on another host: run this command there (docker exec, kubectl exec)',
  );
});
