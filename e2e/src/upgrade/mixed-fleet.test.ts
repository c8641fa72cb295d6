import { randomBytes } from 'node:crypto';
import { type Destination, evidenceId, evidenceLine, partitionAt, QUARANTINE_ROUTE } from '@sink/domain';
import { IngestLane, IoredisPort } from '@sink/lane';
import { eventually, temporaryDirectory } from '@sink/testing';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { runCommand } from '../harness/command-line.ts';
import { Pipeline } from '../harness/pipeline.ts';
import { hasOlderRelease, olderRelease } from './older-release.ts';

let pipeline: Pipeline | undefined;
let client: Redis | undefined;
afterEach(async () => {
  client?.disconnect();
  await pipeline?.stop();
});

/** A sink in which the services with these names are of the release before version 2. */
async function fleet(older: readonly string[], counts: { batchers?: number; uploaders?: number }) {
  const main = olderRelease(temporaryDirectory('older-release'));
  const sink = (pipeline = await Pipeline.start({
    ...counts,
    settings: { SINK_STOP_GRACE: '4s', SINK_FLUSH_SIZE: '5' },
    mainOf: (name) => (older.includes(name) ? main : undefined),
  }));
  client = new Redis(sink.redis.url);
  const lane = new IngestLane(new IoredisPort(client), sink.sinkName, 0);
  await lane.open(randomBytes(8).toString('hex'));
  const writer = await lane.registerWriter('test');
  let [sent, refused, sequence] = [0, 0, 0];
  return {
    sink,
    /** Default traffic, as it always was. */
    post: async (): Promise<void> => {
      const headers = { 'ce-specversion': '1.0', 'ce-id': `e-${sent++}`, 'ce-source': '/mixed', 'ce-type': 't' };
      expect((await fetch(sink.of('ingest')[0]?.url ?? '', { method: 'POST', headers })).status).toBe(202);
    },
    /** What only the newer release reads. */
    refuse: async (): Promise<void> => {
      const to: Destination = { route: QUARANTINE_ROUTE, path: partitionAt(Date.now(), 'HOURLY') };
      const request = { refusedAtMs: Date.now(), producer: null, method: 'POST', path: '/', query: [], headers: [] };
      const sent = { index: null, bytes: Buffer.from(`q-${refused++}`), reason: 'json', why: 'it is no JSON' };
      const body = `${evidenceLine(evidenceId(Date.now(), refused, randomBytes(8)), request, sent)}\n`;
      const answer = await lane.append({
        ...{ writer, sequence: ++sequence, furtherBytes: 0, acceptedAtMs: Date.now(), backlogBytesMax: 1e9 },
        entries: [{ ...to, count: 1, body, bytes: Buffer.byteLength(body) }],
      });
      expect(answer).toBe('stored');
    },
    events: () => Array.from({ length: sent }, (_, n) => `e-${n}`).sort(),
    refusals: () => Array.from({ length: refused }, (_, n) => `q-${n}`).sort(),
  };
}

async function stored(sink: Pipeline): Promise<{ events: string[]; refusals: string[] }> {
  const lines = [...(await sink.objects())].flatMap(([key, of]) => of.map((line) => ({ key, line })));
  const named = (isQuarantine: boolean, name: 'id' | 'body'): string[] =>
    lines
      .filter(({ key }) => key.startsWith('quarantine/') === isQuarantine)
      .map(({ line }) => (JSON.parse(line) as Record<typeof name, string>)[name])
      .sort();
  return { events: named(false, 'id'), refusals: named(true, 'body') };
}

/**
 * Any uploader may get the retry of an upload, the older one as well: it leaves the segment alone again, for 20 to 40 s. An
 * operator who does not want to wait asks for a retry at once.
 */
async function drainedBySome(sink: Pipeline): Promise<void> {
  await eventually(
    async () => {
      await runCommand(sink, ['uploads', 'retry']);
      await sink.drained(3_000);
    },
    { timeoutMs: 90_000 },
  );
}

describe.skipIf(!hasOlderRelease())('beside services of the release before version 2', () => {
  it('an older batcher leaves version 2 alone and goes on with version 1; when it stops, nothing is missing', async () => {
    const { sink, post, refuse, events, refusals } = await fleet(['batcher-1'], { batchers: 2 });
    const [older] = sink.of('batcher');
    // Redis gives each chunk to one of the two.
    for (let n = 0; n < 40; n++) await (n % 2 === 0 ? post() : refuse());
    await eventually(() => expect(older?.process.output()).toContain('version 2 is not 1'), { timeoutMs: 15_000 });
    await eventually(async () => expect((await stored(sink)).events).toEqual(events()), { timeoutMs: 30_000 });
    const left = await sink.leftInRedis(client as Redis, 0);
    expect(left['chunks']).toBe(refusals().length - (await stored(sink)).refusals.length);
    expect(left['chunks']).toBeGreaterThan(0);
    // The upgrade of the last one: the other takes over what it had left alone.
    await older?.process.kill('SIGTERM');
    await sink.drained(30_000);
    expect(await stored(sink)).toEqual({ events: events(), refusals: refusals() });
    const verified = await runCommand(sink, ['verify', '--json', '--read']);
    expect(JSON.parse(verified.output)).toMatchObject({ ok: true, quarantineLines: refusals().length, ofOthers: 0 });
  }, 120_000);

  it('an older uploader leaves version 2 alone and goes on with version 1; a newer one stores the rest', async () => {
    const { sink, post, refuse, events, refusals } = await fleet(['uploader-1'], { uploaders: 1 });
    const [older] = sink.of('uploader');
    for (let n = 0; n < 10; n++) await (n % 2 === 0 ? post() : refuse());
    await eventually(async () => expect((await stored(sink)).events).toEqual(events()), { timeoutMs: 30_000 });
    await eventually(
      async () => {
        const answer = await fetch(`${older?.opsUrl ?? ''}/readyz`);
        expect(await answer.text()).toContain('a newer release wrote it');
      },
      { timeoutMs: 20_000 },
    );
    expect((await stored(sink)).refusals).toEqual([]);
    await sink.add('uploader');
    await drainedBySome(sink);
    expect(await stored(sink)).toEqual({ events: events(), refusals: refusals() });
    // Both go on together.
    for (let n = 0; n < 10; n++) await (n % 2 === 0 ? post() : refuse());
    await drainedBySome(sink);
    expect(await stored(sink)).toEqual({ events: events(), refusals: refusals() });
  }, 240_000);
});
