import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '@sink/testing';
import { EVENTS_PER_CHUNK, eventLines, inTurn, preparedChunks } from '../drain/chunks.ts';
import { traffic, type TrafficName } from '../load/traffic.ts';
import type { ScenarioReport } from '../report/figure.ts';
import type { BenchContext } from '../scenario.ts';
import { LARGE_BACKLOG, LaneAccess, STANDSTILL } from '../sink/lane-access.ts';
import type { SinkProcesses } from '../sink/processes.ts';
import { drained, send } from '../throughput/runs.ts';
import { sampledWhile } from './samples.ts';
import { memoryFigures, type MemoryResult } from './summary.ts';

const TOP_RATES: readonly TrafficName[] = ['binary', 'batch'];
const BACKLOG_EVENTS = 5_000_000;
const BACKLOG_OPTIONS = { ...LARGE_BACKLOG, settings: STANDSTILL };
const BACKLOG_MAX_MS = 300_000;
const BACKLOG_POLL_MS = 250;
/** The S3 stand-in keeps its objects in memory, but this scenario does not read them. */
const CLEAR_EVERY_MS = 5_000;

interface MemoryReport extends ScenarioReport {
  readonly results: readonly MemoryResult[];
}

/** Memory is sampled from the beginning of `watched` to its end, so that the figures have no idle sink. */
interface Watch {
  readonly watched: () => Promise<unknown>;
  /** What remains to be done and checked after the samples. */
  readonly afterwards: () => Promise<unknown>;
}

/** The memory of each service under full load, and with a large backlog. */
export async function memory(context: BenchContext): Promise<MemoryReport> {
  const results: MemoryResult[] = [];
  for (const name of TOP_RATES) {
    results.push(await watched(context, `${name}, top rate`, {}, (sink) => topRate(context, sink, name)));
  }
  const backlog = `${BACKLOG_EVENTS / 1e6}M events in Redis`;
  results.push(await watched(context, backlog, BACKLOG_OPTIONS, (sink) => largeBacklog(context, sink)));
  const tables = [{ title: 'memory', figures: results.flatMap(memoryFigures) }];
  return { name: 'memory', title: 'memory of each service', tables, results };
}

async function watched(
  { say, startSink }: BenchContext,
  title: string,
  options: { readonly redisMaxmemory?: string; readonly settings?: Readonly<Record<string, string>> },
  prepare: (sink: SinkProcesses) => Watch | Promise<Watch>,
): Promise<MemoryResult> {
  const sink = await startSink(`memory ${title}`, options);
  try {
    const watch = await prepare(sink);
    const clearing = new AbortController();
    const cleared = clearAgainAndAgain(sink, clearing.signal);
    const result = { title, ...(await sampledWhile(sink, watch.watched()).finally(() => clearing.abort())) };
    await cleared;
    await watch.afterwards();
    say(`memory, ${title}:`);
    for (const { row, column, value } of memoryFigures(result)) say(`  ${column}, ${row}: ${value.toFixed(0)}`);
    return result;
  } catch (cause) {
    throw new Error(`watching memory with ${title}: ${String(cause)}\n${sink.logs()}`, { cause });
  } finally {
    await sink.stop();
  }
}

function topRate({ load, settings }: BenchContext, sink: SinkProcesses, name: TrafficName): Watch {
  const { connections, memorySeconds: seconds } = settings;
  return {
    watched: () => send(load, { url: sink.url, messages: traffic(name).messages, connections, seconds }),
    afterwards: () => drained(sink),
  };
}

/** As after an outage: the backlog drains while producers send as fast as they can. Watched until it is gone. */
async function largeBacklog({ load, settings }: BenchContext, sink: SinkProcesses): Promise<Watch> {
  const { url } = sink;
  const { messages } = traffic('binary');
  const { connections, memorySeconds: seconds } = settings;
  const lane = await LaneAccess.connect(sink.redisUrl);
  const chunks = preparedChunks(eventLines());
  await sink
    .whilePaused(['batcher', 'uploader'], () =>
      lane.fillWhilePaused(BACKLOG_EVENTS / EVENTS_PER_CHUNK, inTurn(chunks), BACKLOG_MAX_MS),
    )
    .finally(() => lane.close());
  let sending: Promise<unknown> = Promise.resolve();
  return {
    watched: async () => {
      const gone = backlogGone(sink);
      sending = send(load, { url, messages, connections, seconds });
      // A failure of either ends the run at once. The run does not wait for what is sent after the backlog.
      await Promise.race([gone, sending.then(() => gone)]);
    },
    afterwards: async () => {
      await sending;
      await drained(sink, { besidesEvents: BACKLOG_EVENTS, timeoutMs: BACKLOG_MAX_MS });
    },
  };
}

/** Chunks drain in order: as many stored events as the backlog had are those of the backlog, to within a file. */
async function backlogGone(sink: SinkProcesses): Promise<void> {
  await eventually(async () => (await sink.uploaded()) >= BACKLOG_EVENTS, {
    timeoutMs: BACKLOG_MAX_MS,
    intervalMs: BACKLOG_POLL_MS,
  });
}

async function clearAgainAndAgain(sink: SinkProcesses, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    await sleep(CLEAR_EVERY_MS, undefined, { signal: ended }).catch(() => undefined);
    await sink.s3.control.clear();
  }
}
