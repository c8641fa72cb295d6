import { expect, test } from 'vitest';
import { FAULTLESS } from '../harness/oracle.ts';
import type { Pipeline } from '../harness/pipeline.ts';
import { outage } from './outage.ts';

const MIB = 1024 * 1024;
const RSS_BYTES_MAX = 300 * MIB;

async function killEverything(sink: Pipeline): Promise<void> {
  for (const service of [...sink.of('batcher'), ...sink.of('uploader')]) await sink.crash(service);
  await sink.redis.kill();
  await sink.redis.restart();
}

test(
  'S3 away: Redis holds, then the spool, then events are refused; kills in each phase change nothing',
  { timeout: 180_000 },
  async () => {
    const [backlogBytes, spoolBytes] = [4 * MIB, 32 * MIB];
    const result = await outage({
      ...{ backlogBytes, spoolBytes, refuseMs: 2_000, producers: 48, textBytes: 20_000 },
      disturb: killEverything,
    });
    expect(result).toMatchObject(FAULTLESS);
    expect(result.mostBacklogBytes).toBeLessThanOrEqual(backlogBytes * 1.1);
    expect(result.mostSpoolBytes).toBeLessThanOrEqual(spoolBytes);
    // Both were used: more was taken than Redis alone can hold.
    expect(result.mostSpoolBytes).toBeGreaterThan(spoolBytes / 2);
    expect(result.batcher.readyz).toContain('the spool has reached max_spool_bytes');
    for (const metric of ['sink_spilled_events{lane="0"}', 'sink_spilled_bytes{lane="0"}', 'sink_spool_bytes']) {
      expect(metricOf(result.batcher.metrics, metric), metric).toBeGreaterThan(100);
    }
    expect(metricOf(result.batcher.metrics, 'sink_segments_spilled_total{lane="0"}')).toBeGreaterThan(0);
    for (const [name, bytes] of Object.entries(result.rssPeakBytes)) expect(bytes, name).toBeLessThan(RSS_BYTES_MAX);
  },
);

function metricOf(metrics: string, name: string): number {
  const line = metrics.split('\n').find((one) => one.startsWith(`${name} `));
  return Number(line?.slice(name.length));
}
