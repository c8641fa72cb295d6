import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { laneKeys } from '@sink/lane';
import { eventually, temporaryDirectory } from '@sink/testing';
import { Redis } from 'ioredis';
import { afterEach, expect, it } from 'vitest';
import { runCommand } from '../harness/command-line.ts';
import { Pipeline, type Service } from '../harness/pipeline.ts';
import { restoreSnapshot, type Snapshot } from './snapshot.ts';

/** What the first format version leaves when all processes are killed (make.ts). Committed, and never made again. */
const LEFT = JSON.parse(readFileSync(new URL('version-1.json', import.meta.url), 'utf8')) as Snapshot & {
  events: number;
};
const SINK = 'e2e';

let pipeline: Pipeline | undefined;
let client: Redis | undefined;
afterEach(async () => {
  client?.disconnect();
  await pipeline?.stop();
  pipeline = undefined;
});

/** Starts this release on what version 1 left. */
async function startOn(): Promise<{ sink: Pipeline; client: Redis }> {
  const dataDir = temporaryDirectory('upgrade');
  const sink = (pipeline = await Pipeline.start({
    dataDir,
    settings: {
      // A stop waits for what cannot be drained.
      SINK_STOP_GRACE: '4s',
      SINK_DEDUPE_WINDOW: '1h',
      SINK_MAX_FINGERPRINTS: '10000',
      SINK_RECEIPTS_MAX: '1000',
      SINK_COMPRESSION: 'gzip',
    },
    prepare: async (redis) => {
      client = new Redis(redis.url);
      await restoreSnapshot(client, dataDir, LEFT);
    },
  }));
  if (!client) throw new Error('nothing was restored');
  return { sink, client };
}

/** Whether a service is not ready for this reason. */
async function saysWhy(service: Service | undefined, reason: string): Promise<void> {
  await eventually(
    async () => {
      const answer = await fetch(`${service?.opsUrl ?? ''}/readyz`);
      expect([answer.status, await answer.text()]).toEqual([503, expect.stringContaining(reason)]);
    },
    { timeoutMs: 20_000 },
  );
}

async function storedIds(sink: Pipeline): Promise<string[]> {
  const objects = await sink.s3.control.objects();
  const lines = objects.flatMap(({ body }) => gunzipSync(body).toString('utf8').split('\n').slice(0, -1));
  return lines.map((line) => (JSON.parse(line) as { id: string }).id).sort();
}

/** The first three were in S3, with a receipt, before the others were left. */
const LEFT_IDS = Array.from({ length: LEFT.events - 3 }, (_, n) => `v1-${n + 3}`).sort();

it('this release drains what version 1 left (chunks, a sealed segment and its job) and reads its receipts', async () => {
  const { sink, client } = await startOn();
  await sink.drained(30_000);
  expect(await storedIds(sink)).toEqual(LEFT_IDS);
  const sealed = LEFT.commands.find(([, key]) => key === laneKeys(SINK, 0).records)?.[3] ?? '{}';
  const { key } = JSON.parse(sealed) as { key: string };
  expect((await sink.s3.control.objects()).map((object) => object.key)).toContain(key);
  await eventually(async () => expect(await client.keys('*uploads*s-*')).toEqual([]));
  // The object of the first receipt was in another bucket, and its receipt does not say so.
  const verified = await runCommand(sink, ['verify', '--json']);
  expect(JSON.parse(verified.output)).toMatchObject({
    events: LEFT_IDS.length,
    placeUnknown: 1,
    problems: { missing: 0, unreceipted: 0 },
  });
}, 60_000);

it('what a newer release wrote is refused, reported and left unchanged; all else is processed', async () => {
  const { chunks, records, taken, left } = laneKeys(SINK, 0);
  const { sink, client } = await startOn();
  await sink.drained(30_000);
  const fields = ['v', '3', 'p', '2026/11/24/10', 'n', '1', 't', '1', 'b', 'not for us\n'];
  const chunk = (await client.xadd(chunks, '*', ...fields)) ?? '';
  const record = JSON.stringify({ v: 3, id: 's-newer', slices: [[chunk, 0, 1]], later: true });
  await client.hset(taken, chunk, '0/1');
  await client.hset(left, chunk, '1 100');
  await client.hset(records, 's-newer', record);
  const [batcher, uploader] = [sink.of('batcher')[0], sink.of('uploader')[0]];
  // An uploader that starts looks for segments without a job at once.
  if (uploader) await sink.crash(uploader);

  const ofNow = { 'ce-specversion': '1.0', 'ce-id': 'now', 'ce-source': '/upgrade', 'ce-type': 't' };
  expect((await fetch(sink.of('ingest')[0]?.url ?? '', { method: 'POST', headers: ofNow })).status).toBe(202);
  await eventually(async () => expect(await storedIds(sink)).toEqual(['now', ...LEFT_IDS].sort()), {
    timeoutMs: 15_000,
  });
  await eventually(async () => expect(await client.hkeys(records)).toEqual(['s-newer']));
  await eventually(() => expect(batcher?.process.output()).toContain('version 3 is not 1 or 2'), { timeoutMs: 15_000 });
  await saysWhy(uploader, 'version 3 is not 1 or 2; a newer release wrote it');
  expect(await client.hget(records, 's-newer')).toBe(record);
  expect(await client.xrange(chunks, '-', '+')).toEqual([[chunk, fields]]);
  expect(await client.hgetall(taken)).toEqual({ [chunk]: '0/1' });
}, 90_000);

it('a lane of a newer release stays untouched: no event is accepted, and each service reports why', async () => {
  const { meta, chunks } = laneKeys(SINK, 0);
  const { sink, client } = await startOn();
  await sink.drained(30_000);
  await client.hset(meta, 'v', '2');
  await client.xadd(chunks, '*', 'v', '1', 'b', 'of the newer release');
  const before = [await client.hgetall(meta), await client.xrange(chunks, '-', '+')];
  const services = [...sink.of('ingest'), ...sink.of('batcher')];
  for (const service of services) await sink.crash(service);
  for (const service of services) await saysWhy(service, 'newer release wrote it; upgrade');
  const event = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/upgrade', 'ce-type': 't' };
  expect((await fetch(sink.of('ingest')[0]?.url ?? '', { method: 'POST', headers: event })).status).toBe(503);
  expect([await client.hgetall(meta), await client.xrange(chunks, '-', '+')]).toEqual(before);
}, 60_000);
