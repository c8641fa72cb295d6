import { execFileSync } from 'node:child_process';
import { afterEach, expect, it } from 'vitest';
import { connectAtOnce } from '../harness/connections.ts';
import { rssPeakBytes } from '../harness/memory.ts';
import { Pipeline } from '../harness/pipeline.ts';

let pipeline: Pipeline | undefined;
afterEach(async () => {
  await pipeline?.stop();
  pipeline = undefined;
});

/** The most requests that Vanus has in flight, within this machine's limit of open files. */
const OPEN_FILES_MAX = Number(execFileSync('sh', ['-c', 'ulimit -Hn']).toString()) || Infinity;
const CONNECTIONS = Math.min(10_000, OPEN_FILES_MAX - 500);
/** Twice the time that Vanus waits for an answer. Every request must get one; the test prints the slowest. */
const SILENT_MS = 10_000;
const RSS_BYTES_MAX = 600 * 1024 * 1024;

it('ten thousand connections at once: each is answered in time, 202 means stored once, 503 without Redis', async () => {
  // Longer than the default: on a slow machine the last ones are read after more than that, and would be refused at once.
  const sink = (pipeline = await Pipeline.start({ settings: { SINK_HOLD_MAX: '6s' } }));
  const [ingest] = sink.of('ingest');
  if (!ingest) throw new Error('no ingest');

  const served = await connectAtOnce(ingest.url, CONNECTIONS, SILENT_MS);
  console.log(`${CONNECTIONS} served: slowest after ${Math.round(served.slowestMs)} ms`);
  expect(served.statuses).toEqual(new Map([[202, CONNECTIONS]]));
  await sink.drained();
  const stored = [...(await sink.objects()).values()].flat().map((line) => (JSON.parse(line) as { id: string }).id);
  expect(stored.sort()).toEqual(Array.from({ length: CONNECTIONS }, (_, number) => String(number)).sort());

  sink.redis.signal('SIGSTOP');
  const refused = await connectAtOnce(ingest.url, CONNECTIONS, SILENT_MS);
  sink.redis.signal('SIGCONT');
  console.log(`${CONNECTIONS} refused: slowest after ${Math.round(refused.slowestMs)} ms`);
  expect(refused.statuses).toEqual(new Map([[503, CONNECTIONS]]));
  expect(rssPeakBytes(ingest.process)).toBeLessThan(RSS_BYTES_MAX);
}, 180_000);
