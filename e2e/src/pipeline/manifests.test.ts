import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Manifest } from '@sink/domain';
import { laneKeys } from '@sink/lane';
import { eventually, temporaryDirectory } from '@sink/testing';
import { Redis } from 'ioredis';
import { afterEach, expect, it } from 'vitest';
import { FAULTLESS, judge } from '../harness/oracle.ts';
import { Pipeline } from '../harness/pipeline.ts';
import { Producers } from '../harness/producer.ts';

const ROUNDS = 2;
const THREE_HOURS_MS = 3 * 3_600_000;

let pipeline: Pipeline | undefined;
afterEach(async () => {
  await pipeline?.stop();
  pipeline = undefined;
});

it(
  'uploaders are killed while they write manifests: each object is listed exactly once, and nothing is left',
  { timeout: 180_000 },
  async () => {
    // The clocks of the ingests are three hours late: their partitions are over, so manifests are due.
    const clock = join(temporaryDirectory('clock'), 'offset');
    writeFileSync(clock, String(-THREE_HOURS_MS));
    const shift = new URL('../torture/clock-shift.mjs', import.meta.url).href;
    const shifted = { NODE_OPTIONS: `--import ${shift}`, TORTURE_CLOCK: clock };
    const sink = (pipeline = await Pipeline.start({
      uploaders: 2,
      settings: { SINK_FLUSH_SIZE: '20', SINK_MANIFESTS: 'true' },
      environmentOf: (name) => (name.startsWith('ingest') ? shifted : {}),
    }));
    const producers = new Producers(() => sink.of('ingest'), 8);
    const redis = new Redis(sink.redis.url);
    try {
      for (let round = 0; round < ROUNDS; round++) {
        await producers.acknowledgedMore(200);
        // Half of the uploaders die before the manifest is stored, half before its answer arrives. A start writes due
        // manifests at once.
        const fault = await sink.s3.control.addFault({
          match: { operation: 'PutObject', keyPattern: '/_manifest-' },
          effect: { kind: 'hang', applied: round % 2 === 0 },
          times: 1,
        });
        for (const uploader of sink.of('uploader')) await sink.crash(uploader);
        await eventually(() => sink.s3.control.faultHits(fault).then((hits) => hits === 1), { timeoutMs: 30_000 });
        for (const uploader of sink.of('uploader')) await sink.crash(uploader);
      }
      await producers.stop();
      await sink.drained();
      // A start writes due manifests at once.
      for (const uploader of sink.of('uploader')) await sink.crash(uploader);
      const { unlisted } = laneKeys(sink.sinkName, 0);
      await eventually(async () => expect(await redis.keys(`${unlisted.replaceAll(/[{}]/g, '?')}*`)).toEqual([]), {
        timeoutMs: 30_000,
      });
    } finally {
      redis.disconnect();
    }
    const objects = await sink.s3.control.objects();
    const manifests = objects.filter(({ key }) => key.includes('/_manifest-'));
    const listed = manifests.flatMap(({ body }) => (JSON.parse(body.toString('utf8')) as Manifest).objects);
    const stored = objects.filter(({ key }) => key.includes('/eventing-'));
    expect(manifests.length).toBeGreaterThanOrEqual(ROUNDS);
    expect(listed.map(({ key }) => key).sort()).toEqual(stored.map(({ key }) => key).sort());
    expect(listed.reduce((sum, { count }) => sum + count, 0)).toBeGreaterThanOrEqual(producers.acknowledgedTries);
    expect(await judge(sink, producers)).toMatchObject(FAULTLESS);
  },
);
