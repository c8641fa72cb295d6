import { afterEach, expect, it } from 'vitest';
import { Pipeline } from '../harness/pipeline.ts';

let pipeline: Pipeline | undefined;
afterEach(async () => {
  await pipeline?.stop();
  pipeline = undefined;
});

interface Event {
  readonly id: string;
  readonly type: string;
  readonly time?: string;
  readonly tenant?: string | number | boolean;
}

async function post(url: string, events: readonly Event[]): Promise<void> {
  const body = JSON.stringify(events.map((event) => ({ specversion: '1.0', source: '/e2e', ...event })));
  const headers = { 'content-type': 'application/cloudevents-batch+json' };
  expect((await fetch(url, { method: 'POST', headers, body })).status).toBe(202);
}

/** The ids of the events in each folder. */
async function idsByFolder(one: Pipeline): Promise<Record<string, string[]>> {
  await one.drained();
  const folders: Record<string, string[]> = {};
  for (const [key, lines] of await one.objects()) {
    const ids = lines.map((line) => (JSON.parse(line) as { id: string }).id);
    (folders[key.slice(0, key.lastIndexOf('/'))] ??= []).push(...ids);
  }
  for (const ids of Object.values(folders)) ids.sort();
  return folders;
}

const dayOf = (ms: number): string => new Date(ms + 5.5 * 3_600_000).toISOString().slice(0, 10);

it('every object has events of one path only: tenant, type, and day of the event in the zone', async () => {
  pipeline = await Pipeline.start({
    settings: {
      SINK_PREFIX: 'p/',
      SINK_PATH: 'tenant={ext.tenant|none}/type={type}/dt={time:%Y-%m-%d}',
      SINK_PARTITION_TIME: 'event',
      SINK_TIME_ZONE: 'Asia/Kolkata',
      SINK_MAX_PARTITIONS: '5',
    },
  });
  const url = pipeline.of('ingest')[0]?.url ?? '';
  const nowMs = Date.now();
  const beforeMs = nowMs - 23 * 3_600_000;
  await post(url, [
    { id: '1', type: 't', tenant: 'a' },
    { id: '2', type: '../x', tenant: 'a' },
    { id: '3', type: 't', time: new Date(beforeMs).toISOString() },
    { id: '4', type: 't', tenant: 'none' },
    { id: '5', type: 't', time: '1970-01-01T00:00:00Z' },
    { id: '6', type: 't', tenant: 'a', time: new Date(nowMs).toISOString() },
  ]);
  await post(url, [
    { id: '7', type: 'too-many', tenant: 7 },
    { id: '8', type: 't', tenant: 'a' },
  ]);
  const folders = await idsByFolder(pipeline);
  const other = Object.keys(folders).find((folder) => folder.startsWith('p/other/')) ?? '';
  expect(other).toMatch(/^p\/other\/\d{4}\/\d\d\/\d\d\/\d\d$/);
  // A day may end in the zone while the test runs.
  const today = [dayOf(nowMs), dayOf(Date.now())].find((day) => folders[`p/tenant=a/type=t/dt=${day}`]) ?? '';
  expect(folders).toEqual({
    [`p/tenant=a/type=t/dt=${today}`]: ['1', '6', '8'],
    [`p/tenant=a/type=%2E.%2Fx/dt=${today}`]: ['2'],
    [`p/tenant=none/type=t/dt=${dayOf(beforeMs)}`]: ['3'],
    [`p/tenant=%6Eone/type=t/dt=${today}`]: ['4'],
    [`p/late/tenant=none/type=t/dt=${today}`]: ['5'],
    [other]: ['7'],
  });
});

it('a preset in another zone and interval has the time of acceptance', async () => {
  pipeline = await Pipeline.start({
    settings: { SINK_PATH: 'hive', SINK_TIME_INTERVAL: 'MINUTES_30', SINK_TIME_ZONE: 'Asia/Kolkata' },
  });
  await post(pipeline.of('ingest')[0]?.url ?? '', [{ id: '1', type: 't', time: '1970-01-01T00:00:00Z' }]);
  const [folder = ''] = Object.keys(await idsByFolder(pipeline));
  const local = new Date(Date.now() + 5.5 * 3_600_000).toISOString();
  expect(folder).toMatch(/^year=\d{4}\/month=\d\d\/day=\d\d\/hour=\d\d\/minute=(?:00|30)$/);
  expect(folder).toContain(`year=${local.slice(0, 4)}`);
});
