import { statfsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { startRedis } from '@sink/testing';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TinyDisk } from '../harness/tiny-disk.ts';
import { SinkOnSmallDisk } from './small-disk.ts';

const MIB = 1024 * 1024;
/** `SMALL_DISK_MIB=120,200,300,520,1024` for all sizes of the notebook. */
const SIZES = (process.env['SMALL_DISK_MIB'] ?? '120,200').split(',').map(Number);
/** From this size on, so much goes through while S3 is well. */
const RATE_FROM_MIB = 160;
const RATE_MIN_BYTES = 3_000_000;
const REDIS_DIED = /"process":"redis".*a process exited/;

const canMount = (() => {
  const disk = TinyDisk.mount(1);
  disk?.unmount();
  return disk !== null;
})();

describe.skipIf(!canMount)(
  'on a small disk (skipped where a tmpfs cannot be mounted: that needs Linux and root)',
  () => {
    let disk: TinyDisk;
    let sink: SinkOnSmallDisk | null;

    const mount = (megabytes: number): void => {
      const mounted = TinyDisk.mount(megabytes);
      if (mounted === null) throw new Error('mounting a tmpfs');
      disk = mounted;
    };
    beforeEach(() => {
      sink = null;
    });
    afterEach(async () => {
      await sink?.end();
      disk.unmount();
    });

    test.each(SIZES)(
      'of %d MiB everything acknowledged gets into the bucket: with S3 well, away until the disk has no room, and after a crash',
      { timeout: 900_000 },
      async (megabytes) => {
        mount(megabytes);
        sink = await SinkOnSmallDisk.prepare(disk);
        await sink.start();
        expect(sink.output).toContain('the volume of data_dir is small');

        // More than the disk has, so that Redis has to rewrite its file.
        const rate = await sink.sendBytes(1.5 * megabytes * MIB);
        if (megabytes >= RATE_FROM_MIB) expect(rate).toBeGreaterThan(RATE_MIN_BYTES);
        expect(await sink.drained()).toEqual([]);
        const taken = sink.acknowledged.size;

        const back = await sink.away();
        await sink.sendUntilFull();
        expect(sink.acknowledged.size).toBeGreaterThan(taken);
        expect(sink.output).not.toMatch(REDIS_DIED);
        await sink.crash();
        await sink.start();
        await sink.sendUntilFull();
        expect(sink.output).not.toMatch(REDIS_DIED);
        await back();
        expect(await sink.drained()).toEqual([]);
        await sink.takesEvents(10_000);

        expect(await sink.stop()).toBe(0);
        expect(await sink.drained()).toEqual([]);
        console.log(`${megabytes} MiB: ${(rate / 1e6).toFixed(1)} MB/s, ${sink.acknowledged.size} events acknowledged`);
      },
    );

    test(
      'that something else fills to the last byte for a while: the sink comes back and loses nothing',
      { timeout: 300_000 },
      async () => {
        mount(200);
        sink = await SinkOnSmallDisk.prepare(disk);
        await sink.start();
        await sink.sendBytes(50 * MIB);
        const sending = sink.sendBytes(100 * MIB);
        disk.fill();
        await sleep(5_000);
        disk.free();
        await sending;
        await sink.takesEvents(60_000);
        expect(await sink.drained()).toEqual([]);
      },
    );

    test(
      'that something else has nearly filled: events are refused, Redis lives on, and what it holds drains',
      { timeout: 300_000 },
      async () => {
        mount(200);
        sink = await SinkOnSmallDisk.prepare(disk);
        await sink.start();
        const back = await sink.away();
        await sink.sendBytes(20 * MIB);
        disk.fillBut(5);
        await sink.sendUntilFull();
        await back();
        expect(await sink.drained()).toEqual([]);
        expect(sink.output).not.toMatch(REDIS_DIED);
        disk.free();
        await sink.takesEvents(10_000);
      },
    );

    test('names a key that cannot fit, its value and what fits; a volume without a free byte is named too', async () => {
      mount(120);
      sink = await SinkOnSmallDisk.prepare(disk, { SINK_MAX_BACKLOG_BYTES: '400MiB' });
      expect((await (await sink.launch()).exited).code).toBe(78);
      expect(sink.output).toMatch(
        /^ {2}max_backlog_bytes: given 400 MiB; allowed: at most \d+ MiB on the volume of data_dir, which has 120 MiB$/m,
      );
      await sink.end();

      sink = await SinkOnSmallDisk.prepare(disk);
      disk.fill();
      expect((await (await sink.launch()).exited).code).toBe(1);
      expect(sink.output).toMatch(/^sink: the volume of .* is full: free 4 MiB or grow the volume by as much; /m);
      disk.free();
      await sink.start();
      await sink.takesEvents(10_000);
    });

    test(
      'that an earlier release filled: one line says how much to free or grow, and with that the sink starts',
      { timeout: 120_000 },
      async () => {
        mount(120);
        const redis = await startRedis({ dir: `${disk.directory}/redis` });
        const client = new Redis(redis.url, { maxRetriesPerRequest: 0 });
        client.on('error', () => undefined);
        for (let turn = 0; turn < 200; turn++) {
          const stored = await client.set(`key:${turn % 40}`, 'x'.repeat(MIB)).then(
            () => true,
            () => false,
          );
          if (!stored) break;
        }
        client.disconnect();
        await redis.stop();
        expect(statfsSync(disk.directory).bavail * statfsSync(disk.directory).bsize).toBeLessThan(2 * MIB);

        sink = await SinkOnSmallDisk.prepare(disk);
        expect((await (await sink.launch()).exited).code).toBe(1);
        const [, needed] =
          /^sink: the volume of .* is full: .*: free (\d+) MiB or grow the volume by as much; no event is lost$/m.exec(
            sink.output,
          ) ?? [];
        expect(Number(needed)).toBeGreaterThan(30);
        disk.grow(120 + Number(needed));
        await sink.start();
        await sink.takesEvents(10_000);
        expect(await sink.drained()).toEqual([]);
      },
    );
  },
);
