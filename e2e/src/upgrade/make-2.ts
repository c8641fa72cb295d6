/**
 * Makes `version-2.json`: what version 2 of chunks, records and receipts leaves when all processes die at once, beside
 * version 1 of each. As make.ts, it is run once, with the release that ends a version.
 *
 *   node e2e/src/upgrade/make-2.ts FILE
 */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Destination,
  objectKey,
  parseRecord,
  QUARANTINE_ROUTE,
  partitionAt,
  type SegmentRecord,
} from '@sink/domain';
import { BatcherLane, IngestLane, IoredisPort } from '@sink/lane';
import { SpoolDirectory } from '@sink/spool';
import { eventually } from '@sink/testing';
import { Redis } from 'ioredis';
import { Pipeline } from '../harness/pipeline.ts';
import { takeSnapshot } from './snapshot.ts';

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error('usage: node e2e/src/upgrade/make-2.ts FILE');

const sink = await Pipeline.start({
  settings: {
    SINK_FLUSH_SIZE: '3',
    SINK_SCHEDULED_INTERVAL: '600',
    SINK_COMPRESSION: 'gzip',
    SINK_RECEIPTS_MAX: '1000',
    SINK_MANIFESTS: 'true',
  },
});
const client = new Redis(sink.redis.url);
const port = new IoredisPort(client);
const [ingestLane, batcherLane] = [new IngestLane(port, sink.sinkName, 0), new BatcherLane(port, sink.sinkName, 0)];
const writer = await ingestLane.registerWriter('make');
const spool = new SpoolDirectory(join(sink.dataDir, 'spool'));
const [ingest, batcher, uploader] = (['ingest', 'batcher', 'uploader'] as const).map((kind) => sink.of(kind)[0]);
const quarantine: Destination = { route: QUARANTINE_ROUTE, path: partitionAt(Date.now(), 'HOURLY') };
let [sent, refused, sequence] = [0, 0, 0];

/** Default traffic: version 1. */
async function post(count: number): Promise<void> {
  const events = Array.from({ length: count }, () => ({
    ...{ specversion: '1.0', id: `v2-${sent++}`, source: '/upgrade', type: 't' },
  }));
  const headers = { 'content-type': 'application/cloudevents-batch+json' };
  const response = await fetch(ingest?.url ?? '', { method: 'POST', headers, body: JSON.stringify(events) });
  if (response.status !== 202) throw new Error(`${response.status} ${await response.text()}`);
}

/** Version 2, as an ingest appends it. */
async function append(destination: Destination, count: number): Promise<string> {
  const lines = Array.from({ length: count }, () =>
    JSON.stringify({ specversion: '1.0', id: `q-${refused++}`, source: '/upgrade', type: 't' }),
  );
  const body = lines.map((line) => `${line}\n`).join('');
  const answer = await ingestLane.append({
    ...{ writer, sequence: ++sequence, furtherBytes: 0, acceptedAtMs: Date.now(), backlogBytesMax: 1e9 },
    entries: [{ ...destination, count, body, bytes: Buffer.byteLength(body) }],
  });
  if (answer !== 'stored') throw new Error(`append answered ${answer}`);
  return (await client.xrevrange(ingestLane.keys.chunks, '+', '-', 'COUNT', 1))[0]?.[0] ?? '';
}

const records = async (): Promise<SegmentRecord[]> => (await client.hvals(batcherLane.keys.records)).map(parseRecord);

// Receipts of both versions, with objects that wait for their manifests.
await post(3);
await append(quarantine, 3);
await sink.drained();
await sink.s3.control.setPermissions('none');
// Sealed segments of both versions.
await post(3);
await append(quarantine, 3);
await eventually(async () => (await records()).length === 2);
// A spilled one of version 2.
await append(quarantine, 3);
await eventually(async () => (await records()).length === 3);
const spilled = (await records()).toSorted((a, b) => b.sealedAtMs - a.sealedAtMs)[0];
if (spilled?.v !== 2) throw new Error('the newest segment is not of version 2');
await spool.mark(spilled.spool, spilled.id);
await batcherLane.release(spilled, await spool.id());
// Chunks of a dead batcher.
await append(quarantine, 1);
await post(1);
await eventually(async () => (await client.xpending(batcherLane.keys.chunks, 'batchers'))[0] === 2);
await batcher?.process.kill();
await sealWithEverything();
// Chunks that no batcher has read.
await append(quarantine, 2);
await append({ route: '_default', path: 'tenant=a/2026-11' }, 1);
await post(2);
await Promise.all([ingest?.process.kill(), uploader?.process.kill()]);
const snapshot = await takeSnapshot(client, sink.dataDir);
writeFileSync(file, `${JSON.stringify({ events: sent, refused, ...snapshot }, null, 1)}\n`);
client.disconnect();
await sink.stop();

/** A record with all that version 2 can say. No configuration of this release makes one. */
async function sealWithEverything(): Promise<void> {
  const destination = { route: 'audit', path: 'tenant=a/2026-11' };
  const chunk = await append(destination, 2);
  await batcherLane.read('b-of-audit', 10, 0);
  const entry = await batcherLane.entry(chunk);
  if (entry.kind !== 'chunk') throw new Error(`chunk ${chunk} is not there`);
  const { body, acceptedAtMs } = entry.chunk;
  const sha256 = createHash('sha256').update(body).digest('hex');
  const first = [chunk, 0, 2] as const;
  const laneUid = (await batcherLane.uid()) ?? '';
  const key = objectKey({ prefix: 'a/', path: destination.path, laneUid, first, sha256, compression: 'gzip' });
  const record: SegmentRecord = {
    ...{ v: 2, id: 's-everything', bucket: 'audit', key, ...destination, format: 'jsonl' },
    ...{ compression: 'gzip', compressionLevel: 3, spoolCompression: 'zstd' },
    ...{ tags: { team: 'a b' }, metadata: { tenant: 'a' }, lockUntilMs: Date.UTC(2100, 0) },
    ...{ count: 2, bytes: body.length, sha256, spool: 'b-of-audit', acceptedAtMs, sealedAtMs: Date.now() },
    slices: [first],
  };
  const writing = await spool.instance(record.spool).createSegment({ segmentId: record.id, compression: 'zstd' });
  await writing.write(body);
  await writing.finish();
  await writing.seal(JSON.stringify(record));
  const answer = await batcherLane.seal(record, JSON.stringify(record));
  if (answer.kind !== 'sealed') throw new Error('the seal was refused');
}
