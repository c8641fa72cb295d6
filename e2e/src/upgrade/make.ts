/**
 * Makes `version-1.json`: what this release leaves when all of its processes die at once. It contains a sealed segment
 * that was never uploaded, chunks of a dead batcher, and chunks that no batcher has read. Run it once with the release
 * that ends a format version; later releases drain what it left (version-1.test.ts).
 *
 *   node e2e/src/upgrade/make.ts FILE
 */
import { writeFileSync } from 'node:fs';
import { laneKeys } from '@sink/lane';
import { eventually } from '@sink/testing';
import { Redis } from 'ioredis';
import { Pipeline } from '../harness/pipeline.ts';
import { takeSnapshot } from './snapshot.ts';

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error('usage: node e2e/src/upgrade/make.ts FILE');

const sink = await Pipeline.start({
  settings: {
    SINK_FLUSH_SIZE: '3',
    SINK_SCHEDULED_INTERVAL: '600',
    SINK_COMPRESSION: 'gzip',
    SINK_DEDUPE_WINDOW: '1h',
    SINK_MAX_FINGERPRINTS: '10000',
    SINK_RECEIPTS_MAX: '1000',
  },
});
const client = new Redis(sink.redis.url);
const keys = laneKeys(sink.sinkName, 0);
const [ingest, batcher, uploader] = (['ingest', 'batcher', 'uploader'] as const).map((kind) => sink.of(kind)[0]);
let sent = 0;

async function post(count: number): Promise<void> {
  const events = Array.from({ length: count }, () => ({
    specversion: '1.0',
    id: `v1-${sent++}`,
    source: '/upgrade',
    type: 't',
    data: { n: 1.1, text: 'ü' },
  }));
  const response = await fetch(ingest?.url ?? '', {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents-batch+json' },
    body: JSON.stringify(events),
  });
  if (response.status !== 202) throw new Error(`${response.status} ${await response.text()}`);
}

await post(3);
await sink.drained();
await sink.s3.control.setPermissions('none');
await post(5); // Three of them are sealed, two are open: the chunk is split.
await eventually(async () => (await client.hlen(keys.records)) === 1);
await post(1); // One more chunk in the open file.
await eventually(async () => (await client.xpending(keys.chunks, 'batchers'))[0] === 2);
await batcher?.process.kill();
await post(2); // No batcher reads these.
await Promise.all([ingest?.process.kill(), uploader?.process.kill()]);
const snapshot = await takeSnapshot(client, sink.dataDir);
writeFileSync(file, `${JSON.stringify({ events: sent, ...snapshot }, null, 1)}\n`);
client.disconnect();
await sink.stop();
