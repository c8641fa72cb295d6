import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { IoredisPort } from '@sink/lane';
import { createLogger, Registry } from '@sink/runtime';
import { SpoolDirectory } from '@sink/spool';
import { expect, test } from 'vitest';
import { Housekeeping } from './housekeeping.ts';
import { BatcherMetrics } from '../metrics.ts';
import { BATCHER_LIMITS } from '../settings.ts';
import { SpoolJanitor } from '../spool/spool-janitor.ts';
import { BatcherWorld, SINK } from '../test/batcher-world.ts';

const world = new BatcherWorld();

test('what happens to spool files is counted, and quarantined ones are logged for an operator', async () => {
  mkdirSync(join(world.spoolDir, 'b-dead'), { recursive: true });
  for (const name of ['s-1.open', 's-2.segment', 's-3.spilled']) {
    writeFileSync(join(world.spoolDir, 'b-dead', name), 'no segment');
  }
  const registry = new Registry();
  const errors: string[] = [];
  const housekeeping = new Housekeeping(
    {
      redis: new IoredisPort(world.redis),
      lanes: [world.lane],
      janitor: new SpoolJanitor(
        { spool: new SpoolDirectory(world.spoolDir), lanes: [world.lane], isClosing: () => false },
        { ...BATCHER_LIMITS, barrier: { waitaof: false, replicas: 0, timeoutMs: 1_000 } },
        { instance: 'b-me', spoolId: 'spool-1' },
      ),
      metrics: new BatcherMetrics(registry),
      clock: world.clock,
      readiness: { set: () => undefined },
      log: createLogger({
        service: 'batcher',
        level: 'error',
        destination: { write: (line) => void errors.push(line) },
      }),
      moreLanes: () => undefined,
    },
    { ...BATCHER_LIMITS, sinkName: SINK, lanes: 1, backlogBytesMax: 123_456, scheduledIntervalMs: 1_500 },
  );
  await housekeeping.round();
  const value = async (name: string): Promise<number | undefined> =>
    (await registry.getSingleMetric(name)?.get())?.values[0]?.value;
  expect(await value('sink_spool_files_tidied_total')).toBe(2);
  expect(await value('sink_spool_files_quarantined_total')).toBe(1);
  expect(await value('sink_spool_files_adopted_total')).toBe(0);
  expect(errors.join()).toContain('A quarantined file');
  expect(await value('sink_backlog_max_bytes')).toBe(123_456);
  expect(await value('sink_scheduled_interval_seconds')).toBe(1.5);
});
