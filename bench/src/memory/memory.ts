import { setTimeout as sleep } from 'node:timers/promises';
import { eventLines, inTurn, preparedChunks } from '../drain/chunks.ts';
import { traffic, type TrafficName } from '../load/traffic.ts';
import type { ScenarioReport } from '../report/figure.ts';
import type { BenchContext } from '../scenario.ts';
import { LaneAccess } from '../sink/lane-access.ts';
import { SinkProcesses } from '../sink/processes.ts';
import { drained, send } from '../throughput/runs.ts';
import { sampledWhile } from './samples.ts';
import { memoryFigures, type MemoryResult } from './summary.ts';

const TOP_RATES: readonly TrafficName[] = ['binary', 'batch'];
const BACKLOG_EVENTS = 5_000_000;
const EVENTS_PER_CHUNK = 100;
const BACKLOG_SETTINGS = { redisMaxmemory: '10gb', settings: { SINK_LEASE: '300s' } };
const BACKLOG_MAX_MS = 300_000;
/** The S3 stand-in keeps what it is sent in memory, and nobody reads it here. */
const CLEAR_EVERY_MS = 5_000;

export interface MemoryReport extends ScenarioReport {
  readonly results: readonly MemoryResult[];
}

/** What each service holds while it has as much to do as it can, and with a large backlog. */
export async function memory(context: BenchContext): Promise<MemoryReport> {
  const results: MemoryResult[] = [];
  for (const name of TOP_RATES) {
    results.push(await watched(context, `${name}, top rate`, {}, (sink) => topRate(context, sink, name)));
  }
  const backlog = `${BACKLOG_EVENTS / 1e6}M events in Redis`;
  results.push(await watched(context, backlog, BACKLOG_SETTINGS, (sink) => largeBacklog(context, sink)));
  const tables = [{ title: 'memory', figures: results.flatMap(memoryFigures) }];
  return { name: 'memory', title: 'memory of each service', tables, results };
}

async function watched(
  { say, profileDirectory }: BenchContext,
  title: string,
  options: { readonly redisMaxmemory?: string; readonly settings?: Readonly<Record<string, string>> },
  /** Makes ready what takes memory, and returns what is to be watched. */
  prepare: (sink: SinkProcesses) => Promise<() => Promise<void>>,
): Promise<MemoryResult> {
  const sink = await SinkProcesses.start({ profileDirectory: profileDirectory(`memory ${title}`), ...options });
  try {
    const action = await prepare(sink);
    const clearing = new AbortController();
    const cleared = clearAgainAndAgain(sink, clearing.signal);
    const samples = await sampledWhile(
      sink,
      action().finally(() => clearing.abort()),
    );
    await cleared;
    const result = { title, samples };
    say(`memory, ${title}:`);
    for (const { row, column, value } of memoryFigures(result)) say(`  ${column}, ${row}: ${value.toFixed(0)}`);
    return result;
  } catch (cause) {
    throw new Error(`watching memory with ${title}: ${String(cause)}\n${sink.logs()}`, { cause });
  } finally {
    await sink.stop();
  }
}

async function topRate(
  { load, settings }: BenchContext,
  sink: SinkProcesses,
  name: TrafficName,
): Promise<() => Promise<void>> {
  const options = { url: sink.url, messages: traffic(name).messages, connections: settings.connections };
  return async () => {
    await send(load, { ...options, seconds: settings.memorySeconds });
    await drained(sink);
  };
}

/** As after an outage: the backlog goes while producers send as much as they can. */
async function largeBacklog({ load, settings }: BenchContext, sink: SinkProcesses): Promise<() => Promise<void>> {
  const { url } = sink;
  const { messages } = traffic('binary');
  const { connections, seconds } = settings;
  const lane = await LaneAccess.connect(sink.redisUrl);
  const chunks = preparedChunks(eventLines(), EVENTS_PER_CHUNK);
  await sink.whilePaused(['batcher', 'uploader'], () => lane.append(BACKLOG_EVENTS / EVENTS_PER_CHUNK, inTurn(chunks)));
  return async () => {
    try {
      await send(load, { url, messages, connections, seconds });
      await lane.committed(BACKLOG_MAX_MS);
    } finally {
      lane.close();
    }
  };
}

async function clearAgainAndAgain(sink: SinkProcesses, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    await sleep(CLEAR_EVERY_MS, undefined, { signal: ended }).catch(() => undefined);
    await sink.s3.control.clear();
  }
}
