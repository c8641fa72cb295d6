import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { objectKey, partitionAt, type Receipt } from '@sink/domain';
import { BatcherLane, IoredisPort } from '@sink/lane';
import { startProcess, startRedis, startS3, temporaryDirectory } from '@sink/testing';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { rssPeakBytes } from '../harness/memory.ts';

/** At night 100,000 (the target `night`): more of the same, which takes half a minute. */
const OBJECTS = Number(process.env['SINK_VERIFY_OBJECTS'] ?? 10_000);
const PAGE = 1_000;
const WEEK_START_MS = Date.UTC(2026, 10, 16);
const WEEK_MS = 7 * 24 * 3_600_000;
/** Without a limit V8 keeps garbage while the machine has memory. Only a limit shows how much verify needs. */
const HEAP_MIB = 128;
const MIB = 1024 * 1024;
const RSS_MIB_MAX = 300;
const VERIFY_SECONDS_MAX = 120;
const MAIN = join(import.meta.dirname, '../../../apps/sink/src/main.ts');

function receiptOf(n: number, laneUid: string): { receipt: Receipt; body: Buffer } {
  const body = Buffer.from(`{"specversion":"1.0","id":"${n}","source":"/week","type":"t"}\n`);
  const sha256 = createHash('sha256').update(body).digest('hex');
  const acceptedAtMs = WEEK_START_MS + Math.floor((n / OBJECTS) * WEEK_MS);
  const first = [`${acceptedAtMs}-${n}`, 0, 1] as const;
  const partition = partitionAt(acceptedAtMs, 'HOURLY');
  return {
    body,
    receipt: {
      v: 1,
      id: `s${n}`,
      key: objectKey({ prefix: '', path: partition, laneUid, first, sha256, compression: 'none' }),
      etag: `"${createHash('md5').update(body).digest('hex')}"`,
      count: 1,
      bytes: body.length,
      objectBytes: body.length,
      sha256,
      acceptedAtMs,
      sealedAtMs: acceptedAtMs,
      storedAtMs: acceptedAtMs + 1,
    },
  };
}

it(
  `verify finds the missing one of ${OBJECTS} objects of a week, in bounded memory`,
  { timeout: 300_000 },
  async () => {
    const [redis, s3] = await Promise.all([
      startRedis(),
      startS3({ bucket: 'week', accessKeyId: 'AKIAFAKE', secretAccessKey: 'secret' }),
    ]);
    const client = new Redis(redis.url);
    try {
      const lane = new BatcherLane(new IoredisPort(client), 'week', 0);
      const uid = await lane.open('f00d');
      await client.hset(lane.keys.places, `week at ${new URL(s3.url).host}`, '1');
      for (let start = 0; start < OBJECTS; start += PAGE) {
        const adding = client.pipeline();
        for (let n = start; n < start + PAGE; n++) {
          const { receipt, body } = receiptOf(n, uid);
          s3.plant(receipt.key, body);
          adding.xadd(lane.keys.receipts, '*', 'v', '1', 'r', JSON.stringify(receipt), 'p', '1');
        }
        await adding.exec();
      }
      const gone = receiptOf(Math.floor(OBJECTS * 0.54321), uid).receipt.key;
      s3.remove(gone);

      const startMs = performance.now();
      const command = await startProcess({
        command: process.execPath,
        args: [`--max-old-space-size=${HEAP_MIB}`, MAIN, 'verify', '--json'],
        env: {
          SINK_SINK_NAME: 'week',
          SINK_DATA_DIR: temporaryDirectory('week'),
          SINK_REDIS_URL: redis.url,
          SINK_BUCKET: 'week',
          SINK_REGION: 'us-east-1',
          SINK_ENDPOINT: s3.url,
          SINK_RECEIPTS_MAX: '200000',
          SINK_AWS_ACCESS_KEY_ID: s3.accessKeyId,
          SINK_AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
          // As for the services (apps/sink/src/supervisor/service-command.ts), or the figure would depend on the cores.
          MALLOC_ARENA_MAX: '2',
        },
      });
      let mostRssMib = 0;
      const watch = setInterval(() => (mostRssMib = Math.max(mostRssMib, rssPeakBytes(command) / MIB)), 100);
      const { code } = await command.exited;
      const seconds = (performance.now() - startMs) / 1_000;
      clearInterval(watch);
      expect(code, command.output()).toBe(1);
      expect(JSON.parse(command.output())).toMatchObject({
        ok: false,
        objects: OBJECTS - 1,
        events: OBJECTS - 1,
        findings: [{ problem: 'missing', key: gone }],
      });
      expect(mostRssMib).toBeLessThan(RSS_MIB_MAX);
      expect(seconds).toBeLessThan(VERIFY_SECONDS_MAX);
      console.log(`verify of ${OBJECTS} objects: ${seconds.toFixed(1)} s, most RSS ${Math.round(mostRssMib)} MiB`);
    } finally {
      client.disconnect();
      await Promise.all([redis.stop(), s3.stop()]);
    }
  },
);
