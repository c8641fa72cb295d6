import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { laneKeys } from '@sink/lane';
import { eventually } from '@sink/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { judge } from '../harness/oracle.ts';
import { Pipeline } from '../harness/pipeline.ts';
import { Producers } from '../harness/producer.ts';

const MIB = 1024 * 1024;
const BACKLOG_BYTES = 4 * MIB;
const SPOOL_BYTES = 32 * MIB;
const AWAY = {
  match: { operation: 'PutObject' },
  effect: { kind: 'error', status: 503, code: 'ServiceUnavailable' },
} as const;

let sink: Pipeline;
beforeAll(async () => {
  sink = await Pipeline.start({
    settings: {
      SINK_MAX_BACKLOG_BYTES: '4MiB',
      SINK_MAX_SPOOL_BYTES: '32MiB',
      SINK_DISK_RESERVE_BYTES: '0',
      SINK_FLUSH_SIZE: '100000',
      SINK_SCHEDULED_INTERVAL: '3600',
      SINK_LOG_LEVEL: 'warn',
    },
  });
}, 60_000);
afterAll(() => sink.stop());

function spoolBytes(): number {
  const entries = readdirSync(join(sink.dataDir, 'spool'), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + sizeOf(join(parentPath, name)), 0);
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

describe('while S3 is away', () => {
  test(
    'Redis holds, then the spool, then events are refused; kills change nothing, and afterwards all of it is in S3 once',
    { timeout: 150_000 },
    async () => {
      const redis = new Redis(sink.redis.url);
      const keys = laneKeys(sink.sinkName, 0);
      const backlog = async (): Promise<number> => Number((await redis.hget(keys.backlog, 'bytes')) ?? 0);
      const away = await sink.s3.control.addFault(AWAY);
      const producers = new Producers(() => sink.of('ingest'), 48, 20_000);
      let [mostBacklog, mostSpool] = [0, 0];
      const watching = new AbortController();
      const watch = (async () => {
        while (!watching.signal.aborted) {
          mostBacklog = Math.max(mostBacklog, await backlog());
          mostSpool = Math.max(mostSpool, spoolBytes());
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      })();
      try {
        // What is open leaves Redis long before its interval.
        await eventually(async () => expect(await redis.hlen(keys.spilled)).toBeGreaterThan(2), { timeoutMs: 20_000 });
        for (const kind of ['batcher', 'uploader'] as const) for (const one of sink.of(kind)) await sink.crash(one);
        await eventually(() => expect(producers.statuses.get(503) ?? 0).toBeGreaterThan(50), { timeoutMs: 60_000 });
        expect(spoolBytes()).toBeGreaterThan(SPOOL_BYTES / 2);
        for (const kind of ['batcher', 'uploader'] as const) for (const one of sink.of(kind)) await sink.crash(one);
        await sink.redis.kill();
        await sink.redis.restart();
        const refused = producers.statuses.get(503) ?? 0;
        await eventually(() => expect(producers.statuses.get(503) ?? 0).toBeGreaterThan(refused + 20), {
          timeoutMs: 20_000,
        });
      } finally {
        await sink.s3.control.removeFault(away);
      }
      const before = producers.acknowledgedTries;
      await eventually(() => expect(producers.acknowledgedTries).toBeGreaterThan(before + 200), { timeoutMs: 40_000 });
      await producers.stop();
      watching.abort();
      await watch;
      await sink.stopServices();
      await sink.drained();
      expect(mostBacklog).toBeLessThanOrEqual(BACKLOG_BYTES * 1.1);
      expect(mostSpool).toBeLessThanOrEqual(SPOOL_BYTES);
      expect(mostSpool).toBeGreaterThan(SPOOL_BYTES / 2);
      expect(await judge(sink, producers)).toMatchObject({ lost: [], doubled: [], unknown: [], overwritten: [] });
      redis.disconnect();
    },
  );
});
