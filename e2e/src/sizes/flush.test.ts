import { IoredisPort, readFlush } from '@sink/lane';
import { eventually } from '@sink/testing';
import { Redis } from 'ioredis';
import { afterEach, expect, it } from 'vitest';
import { runCommand } from '../harness/command-line.ts';
import { Pipeline } from '../harness/pipeline.ts';

let pipeline: Pipeline | undefined;
afterEach(async () => {
  await pipeline?.stop();
  pipeline = undefined;
});

const SETTINGS = { SINK_LANES: '2', SINK_SCHEDULED_INTERVAL: '1h', SINK_LEASE: '2s', SINK_RECEIPTS_MAX: '1000' };
let sent = 0;

async function start(): Promise<Pipeline> {
  pipeline = await Pipeline.start({ batchers: 2, settings: SETTINGS });
  return pipeline;
}

/** Posts single events, some of which come into each lane; their ids. */
async function post(sink: Pipeline, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => `e${++sent}`);
  for (const id of ids) {
    const response = await fetch(sink.of('ingest')[0]?.url ?? '', {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json' },
      body: JSON.stringify({ specversion: '1.0', id, source: '/flush', type: 't' }),
    });
    expect(response.status).toBe(202);
  }
  return ids;
}

async function flush(sink: Pipeline, query = '', batcher = 0): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(`${sink.of('batcher')[batcher]?.opsUrl ?? ''}/flush${query}`, { method: 'POST' });
  return { status: answer.status, body: await answer.json() };
}

/** Whether the batchers are asked for a flush. */
async function isAsked(sink: Pipeline): Promise<boolean> {
  const client = new Redis(sink.redis.url);
  try {
    return (await readFlush(new IoredisPort(client), sink.sinkName)) !== null;
  } finally {
    client.disconnect();
  }
}

async function stored(sink: Pipeline): Promise<string[]> {
  const lines = [...(await sink.objects()).values()].flat();
  return lines.map((line) => (JSON.parse(line) as { id: string }).id).toSorted();
}

it('POST /flush: with the answer, what was accepted before is in the bucket, from all batchers and lanes', async () => {
  const sink = await start();
  for (let round = 0; round < 3; round++) {
    const before = await post(sink, 40);
    expect(await flush(sink, '', round % 2)).toEqual({ status: 200, body: { flushed: true } });
    expect(await stored(sink)).toEqual(expect.arrayContaining(before));
  }
  await post(sink, 5);
  const path = [...(await sink.objects()).keys()][0]?.split('/').slice(0, 4).join('/') ?? '';
  expect(await flush(sink, '?partition=2020/01/01/00')).toEqual({ status: 200, body: { flushed: true } });
  expect(await stored(sink)).toHaveLength(120);
  expect(await flush(sink, `?partition=${encodeURIComponent(path)}`)).toMatchObject({ status: 200 });
  expect(await stored(sink)).toHaveLength(125);
  expect(await flush(sink, '?timeout=soon')).toMatchObject({ status: 400 });
  const page = await fetch(`${sink.of('batcher')[0]?.opsUrl ?? ''}/flush`, {
    method: 'POST',
    headers: { Origin: 'http://evil.example' },
  });
  expect(page.status).toBe(403);
});

it('while S3 is away, it answers 504 with what is missing; a second one gets 409 meanwhile', async () => {
  const sink = await start();
  await sink.s3.control.setPermissions('none');
  const ids = await post(sink, 20);
  const late = flush(sink, '?timeout=6s');
  await eventually(async () => expect(await isAsked(sink)).toBe(true));
  expect(await flush(sink, '?timeout=1ms', 1)).toMatchObject({ status: 409 });
  const { status, body } = await late;
  expect(status).toBe(504);
  expect(body).toMatchObject({ flushed: false, error: expect.stringMatching(/20|wait for their upload/) as string });
  const { missing } = body as { missing: { sealedEvents: number; unsealedEvents: number }[] };
  expect(missing.reduce((sum, lane) => sum + lane.sealedEvents, 0)).toBe(20);
  expect(missing.reduce((sum, lane) => sum + lane.unsealedEvents, 0)).toBe(0);

  const command = await runCommand(sink, ['flush', '--wait', '--timeout', '1']);
  expect(command).toMatchObject({
    code: 1,
    output: expect.stringMatching(
      /^FAILED: not everything is in the bucket after 1 s\n {2}lane \d: \d+ events are in seg/,
    ) as string,
  });
  await sink.s3.control.setPermissions('all');
  await runCommand(sink, ['uploads', 'retry']);
  expect(await flush(sink, '?timeout=60s')).toEqual({ status: 200, body: { flushed: true } });
  expect(await stored(sink)).toEqual(ids.toSorted());
});

it('a batcher that is killed during a flush: another one takes its chunks over, and the flush ends', async () => {
  const sink = await start();
  const ids = await post(sink, 40);
  const [, other] = sink.of('batcher');
  if (other === undefined) throw new Error('there are two');
  await other.process.kill('SIGKILL');
  const answer = flush(sink, '?timeout=60s');
  expect(await answer).toEqual({ status: 200, body: { flushed: true } });
  expect(await stored(sink)).toEqual(ids.toSorted());
  await sink.revive(other);
});

it('the command asks for a flush, and with --wait waits for it', async () => {
  const sink = await start();
  const ids = await post(sink, 20);
  expect(await runCommand(sink, ['flush'])).toMatchObject({
    code: 0,
    output: expect.stringContaining('close') as string,
  });
  await eventually(async () => expect(await stored(sink)).toEqual(ids.toSorted()), { timeoutMs: 20_000 });
  const more = await post(sink, 20);
  expect(await runCommand(sink, ['flush', '--wait'])).toEqual({
    code: 0,
    output: 'everything that was accepted before is in the bucket\n',
  });
  expect(await stored(sink)).toEqual([...ids, ...more].toSorted());
});
