import type { ScenarioReport } from '../report/figure.ts';
import type { BenchContext } from '../scenario.ts';
import { LARGE_BACKLOG, LaneAccess, STANDSTILL } from '../sink/lane-access.ts';
import { EVENTS_PER_CHUNK, eventLines, preparedChunks } from './chunks.ts';
import { type DrainCase, drainRun } from './drain-run.ts';
import { type CodecReference, codecReferences, type RedisReference, redisReference } from './references.ts';
import { drainFigures, type DrainResult, drainTable, referenceTables } from './summary.ts';

/** A full one holds 1 MB. */
const EVENTS_PER_FULL_CHUNK = 2_500;
/** Larger backlogs are measured once, because they take long and their figures vary little. */
const REPEATED_EVENTS_MAX = 1_000_000;

/**
 * The least events of a run, over several backlogs. CPU time is counted in hundredths of a second, 1 % of such a run.
 */
const EVENTS_MIN = 1_000_000;

const one = (title: string, backlogEvents: number, eventsPerChunk = EVENTS_PER_CHUNK): DrainCase => ({
  title,
  backlogEvents,
  eventsPerChunk,
  batcherPaused: true,
  backlogs: Math.max(1, Math.ceil(EVENTS_MIN / backlogEvents)),
});
const MILLION = one('1M', 1_000_000);
const FULL_CHUNKS = one('1M in full chunks', 1_000_000, EVENTS_PER_FULL_CHUNK);
const CASES: readonly { readonly codec: string; readonly settings: Settings; readonly cases: readonly DrainCase[] }[] =
  [
    {
      codec: 'zstd 1',
      settings: { SINK_COMPRESSION: 'zstd', SINK_COMPRESSION_LEVEL: '1' },
      cases: [
        { ...one('1k at a time', 1_000), batcherPaused: false },
        one('100k', 100_000),
        MILLION,
        FULL_CHUNKS,
        one('5M', 5_000_000),
      ],
    },
    {
      codec: 'gzip 1',
      settings: { SINK_COMPRESSION: 'gzip', SINK_COMPRESSION_LEVEL: '1' },
      cases: [MILLION, FULL_CHUNKS],
    },
    { codec: 'none', settings: { SINK_COMPRESSION: 'none' }, cases: [MILLION] },
  ];
type Settings = Readonly<Record<string, string>>;

/** No file is closed by its interval, for which the last file would wait too: all objects are full. */
export const SETTINGS = { ...STANDSTILL, SINK_SCHEDULED_INTERVAL: '300s' };
const WARM_UP = { ...one('warm-up', 200_000), backlogs: 1 };

interface DrainReport extends ScenarioReport {
  readonly results: readonly DrainResult[];
  readonly redis: RedisReference;
  readonly codecs: readonly CodecReference[];
}

/** How fast a backlog drains: one batcher moves it from Redis into sealed files, one uploader into objects. */
export async function drain(context: BenchContext): Promise<DrainReport> {
  const { say, settings } = context;
  const lines = eventLines();
  const chunks = preparedChunks(lines, EVENTS_PER_CHUNK);
  say('drain: references');
  const redis = await redisReference(chunks);
  const codecs = codecReferences(chunks);

  const results: DrainResult[] = [];
  for (const { codec, settings: environment, cases } of CASES) {
    const sink = await context.startSink(`drain ${codec}`, {
      settings: { ...SETTINGS, ...environment },
      ...LARGE_BACKLOG,
    });
    const lane = await LaneAccess.connect(sink.redisUrl);
    try {
      await drainRun(sink, lane, WARM_UP, chunks);
      for (const what of cases) {
        const runs = [];
        const wanted = what.backlogEvents > REPEATED_EVENTS_MAX ? 1 : settings.runs;
        while (runs.length < wanted) {
          runs.push(await drainRun(sink, lane, what, preparedChunks(lines, what.eventsPerChunk)));
        }
        const { batcher, uploader } = sink.usage();
        const rssPeakBytes = { batcher: batcher.rssPeakBytes, uploader: uploader.rssPeakBytes };
        const result = { ...what, codec, runs, rssPeakBytes };
        results.push(result);
        say(`drain, ${codec}, ${what.title}:`);
        for (const { row, value } of drainFigures(result)) say(`  ${row}: ${value.toFixed(2)}`);
      }
    } catch (cause) {
      throw new Error(`measuring drain with ${codec}: ${String(cause)}\n${sink.logs()}`, { cause });
    } finally {
      lane.close();
      await sink.stop();
    }
  }
  const tables = [drainTable(results), ...referenceTables(redis, codecs)];
  return { name: 'drain', title: 'drain of a backlog', tables, results, redis, codecs };
}
