import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { DEFAULT_ROUTE } from '@sink/domain';
import { IngestLane, IoredisPort, LaneView } from '@sink/lane';
import { Redis } from 'ioredis';
import { afterEach, expect, test } from 'vitest';
import { rssPeakBytes } from '../harness/memory.ts';
import { Pipeline } from '../harness/pipeline.ts';

const PATHS = 1_000;
const SECONDS = 150;
/** An append has the events of so many paths. */
const PATHS_AT_A_TIME = 50;
const MIB = 1024 ** 2;

let pipeline: Pipeline | undefined;
let client: Redis | undefined;
afterEach(async () => {
  client?.disconnect();
  await pipeline?.stop();
});

test('1,000 paths with an event a second each: one object a minute for each, in little memory, without a growing backlog', async () => {
  const sink = (pipeline = await Pipeline.start({
    settings: { SINK_SCHEDULED_INTERVAL: '60' },
    // As the sink's own Redis has. In 256 MiB the backlog of a minute would be above spill_at, which closes objects early.
    prepare: async ({ url }) => {
      const redis = new Redis(url);
      await redis.config('SET', 'maxmemory', '1gb');
      redis.disconnect();
    },
  }));
  client = new Redis(sink.redis.url);
  const port = new IoredisPort(client);
  const lane = new IngestLane(port, sink.sinkName, 0);
  const view = new LaneView(port, sink.sinkName, 0);
  await lane.open(randomBytes(8).toString('hex'));
  const writer = await lane.registerWriter('test');
  let [sequence, sent] = [0, 0];
  const append = async (first: number, second: number): Promise<void> => {
    const entries = Array.from({ length: PATHS_AT_A_TIME }, (_, index) => {
      const path = `tenant=${first + index}`;
      const event = { specversion: '1.0', id: `${path}-${second}`, source: '/many', type: 't', data: 'x'.repeat(230) };
      const body = `${JSON.stringify(event)}\n`;
      return { route: DEFAULT_ROUTE, path, count: 1, body, bytes: Buffer.byteLength(body) };
    });
    const answer = await lane.append({
      ...{ writer, sequence: ++sequence, furtherBytes: 0, acceptedAtMs: Date.now(), backlogBytesMax: 1e9, entries },
    });
    expect(answer).toBe('stored');
    sent += entries.length;
  };
  const backlogs: number[] = [];
  const startedMs = performance.now();
  for (let second = 0; second < SECONDS; second++) {
    for (let first = 0; first < PATHS; first += PATHS_AT_A_TIME) {
      await append(first, second);
      const dueMs = startedMs + (second + (first + PATHS_AT_A_TIME) / PATHS) * 1_000;
      await sleep(Math.max(0, dueMs - performance.now()));
    }
    backlogs.push((await view.backlog()).events);
  }
  const minutes = (performance.now() - startedMs) / 60_000;
  const objects = (await sink.objects()).size;
  const memory = sink.services.map(({ name, process }) => [name, Math.round(rssPeakBytes(process) / MIB)] as const);
  await sink.drained(120_000);
  const stored = await sink.objects();
  console.log(
    JSON.stringify({
      objectsAMinute: objects / minutes,
      memoryMiB: Object.fromEntries(memory),
      backlogs: backlogs.filter((_, n) => n % 15 === 14),
    }),
  );

  const ids: string[] = [];
  for (const [key, lines] of stored) {
    const paths = lines.map((line) => (JSON.parse(line) as { id: string }).id);
    ids.push(...paths);
    for (const id of paths) expect(key.startsWith(`${id.slice(0, id.lastIndexOf('-'))}/`)).toBe(true);
  }
  expect(new Set(ids).size).toBe(sent);
  expect(ids.length).toBe(sent);
  expect(objects / minutes).toBeLessThanOrEqual(1_200);
  for (const [, mib] of memory) expect(mib).toBeLessThan(300);
  // What the interval keeps back, and some seconds of uploads.
  expect(Math.max(...backlogs)).toBeLessThan(PATHS * 90);
}, 600_000);
