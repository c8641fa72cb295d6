import { expect, test } from 'vitest';
import type { Pipeline } from '../harness/pipeline.ts';
import { brokenPromises } from './broken-promises.ts';
import { outage } from './outage.ts';

const MIB = 1024 * 1024;

/** Kills one process after the other under load, ingest first and Redis last. */
async function killEverything(sink: Pipeline): Promise<void> {
  for (const service of [...sink.services].reverse()) await sink.crash(service);
  await sink.redis.kill();
  await sink.redis.restart();
}

test(
  'S3 away: Redis holds, then the spool, then events are refused; kills in each phase change nothing',
  // Longer than the limit of a phase, so that a phase that does not end fails with its own message.
  { timeout: 900_000 },
  async () => {
    const [backlogBytes, spoolBytes] = [4 * MIB, 32 * MIB];
    const result = await outage({
      ...{ backlogBytes, spoolBytes, refuseMs: 2_000, producers: 48, textBytes: 20_000 },
      drainDelayMs: 500,
      disturb: killEverything,
    });
    expect(brokenPromises(result, { backlogBytes, spoolBytes })).toEqual([]);
    // Every process was killed while Redis held all events, and in the middle of the drain.
    expect(result.spilledWhileHeld).toBe(0);
    expect(result.spilledInDrain).toBeGreaterThan(0);
    // New events do not wait for the upload of spilled ones.
    expect(result.newStoredInDrain).toBeGreaterThan(0);
    // Both were used: more events were accepted than Redis alone can hold.
    expect(result.mostSpoolBytes).toBeGreaterThan(spoolBytes / 2);
    expect(result.batcher.readyz).toContain('the spool has reached max_spool_bytes');
    for (const metric of ['sink_spilled_events{lane="0"}', 'sink_spilled_bytes{lane="0"}', 'sink_spool_bytes']) {
      expect(metricOf(result.batcher.metrics, metric), metric).toBeGreaterThan(100);
    }
    expect(metricOf(result.batcher.metrics, 'sink_segments_spilled_total{lane="0"}')).toBeGreaterThan(0);
  },
);

function metricOf(metrics: string, name: string): number {
  const line = metrics.split('\n').find((one) => one.startsWith(`${name} `));
  return Number(line?.slice(name.length));
}
