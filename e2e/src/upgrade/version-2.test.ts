import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { laneKeys } from '@sink/lane';
import { eventually, temporaryDirectory } from '@sink/testing';
import { Redis } from 'ioredis';
import { afterEach, expect, it } from 'vitest';
import { runCommand } from '../harness/command-line.ts';
import { Pipeline } from '../harness/pipeline.ts';
import { restoreSnapshot, type Snapshot } from './snapshot.ts';

/** What version 2 leaves when all processes are killed (make-2.ts). Committed, and never made again. */
const LEFT = JSON.parse(readFileSync(new URL('version-2.json', import.meta.url), 'utf8')) as Snapshot & {
  events: number;
  refused: number;
};

let pipeline: Pipeline | undefined;
let client: Redis | undefined;
afterEach(async () => {
  client?.disconnect();
  await pipeline?.stop();
});

const idsOf = (bodies: readonly { readonly body: Buffer }[]): string[] =>
  bodies
    .flatMap(({ body }) => gunzipSync(body).toString('utf8').split('\n').slice(0, -1))
    .map((line) => (JSON.parse(line) as { id: string }).id)
    .sort();

it('this release drains every kind of version 2, beside version 1, and reads the receipts of both', async () => {
  const dataDir = temporaryDirectory('upgrade');
  const sink = (pipeline = await Pipeline.start({
    dataDir,
    s3: { otherBuckets: ['audit'], objectLock: true },
    settings: { SINK_COMPRESSION: 'gzip', SINK_RECEIPTS_MAX: '1000', SINK_MANIFESTS: 'true' },
    prepare: async (redis) => {
      client = new Redis(redis.url);
      await restoreSnapshot(client, dataDir, LEFT);
    },
  }));
  await sink.drained(30_000);
  const stored = (await sink.s3.control.objects()).filter(({ key }) => !key.includes('/_'));
  const inAudit = await sink.s3.control.objects('audit');

  // Three events and three refused ones were in S3, with their receipts, before the others were left.
  const events = Array.from({ length: LEFT.events - 3 }, (_, n) => `v2-${n + 3}`);
  const plain = stored.filter(({ key }) => /^\d{4}\//.test(key));
  expect(idsOf(plain)).toEqual(events.sort());
  const others = stored.filter(({ key }) => !/^\d{4}\//.test(key));
  const refused = Array.from({ length: LEFT.refused - 3 }, (_, n) => `q-${n + 3}`);
  expect(idsOf([...others, ...inAudit])).toEqual(refused.sort());
  expect(new Set(others.map(({ key }) => key.split('/')[0]))).toEqual(new Set(['quarantine', 'tenant=a']));

  // The keys are those that were sealed.
  const keys = laneKeys(sink.sinkName, 0);
  const sealed = LEFT.commands.filter(([, key]) => key === keys.records || key === keys.spilled);
  const sealedKeys = sealed.flatMap((fields) => fields.filter((text) => text.startsWith('{"')).map(keyOf));
  expect(sealedKeys).toHaveLength(4);
  expect([...stored, ...inAudit].map(({ key }) => key)).toEqual(expect.arrayContaining(sealedKeys));
  expect(inAudit).toMatchObject([
    {
      ...{ tags: { team: 'a b' }, lock: { mode: 'GOVERNANCE', untilMs: Date.UTC(2100, 0) } },
      metadata: { tenant: 'a', 'segment-id': 's-everything' },
    },
  ]);

  // The objects of the first two receipts were on another server.
  const verified = await runCommand(sink, ['verify', '--json', '--read']);
  expect(JSON.parse(verified.output)).toMatchObject({
    ...{ ok: true, ofOthers: 0, unreadable: {} },
    quarantineObjects: others.filter(({ key }) => key.startsWith('quarantine/')).length,
    quarantineLines: LEFT.refused - 3 - 2 - 1,
  });
  const page = await fetch(`${sink.of('uploader')[0]?.opsUrl ?? ''}/receipts`);
  const { receipts } = (await page.json()) as { receipts: { key: string; route?: string; bucket?: string }[] };
  expect(receipts.find(({ key }) => key === inAudit[0]?.key)).toMatchObject({ route: 'audit', bucket: 'audit' });
  await eventually(async () => expect(await client?.keys('*uploads*s-*')).toEqual([]));
}, 90_000);

function keyOf(json: string): string {
  return (JSON.parse(json) as { key: string }).key;
}
