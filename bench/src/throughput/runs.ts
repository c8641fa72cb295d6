import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, type ManagedProcess } from '@sink/testing';
import type { LoadGenerator, LoadOptions, LoadResult } from '../load/load.ts';
import type { Sent } from '../load/traffic.ts';
import { SCHEDULED_INTERVAL_SECONDS, type SinkProcesses } from '../sink/processes.ts';
import type { ServiceName } from '../sink/service.ts';
import { countStored, type Stored } from '../sink/stored.ts';
import { usageOf } from '../sink/usage.ts';

/** The longest time from the last acknowledgement to the last object. */
const DRAIN_MAX_MS = 60_000;
const DRAIN_POLL_MS = 250;
/** The time after the load in which the last file is closed by its interval and uploaded. */
const SETTLED_MS = (SCHEDULED_INTERVAL_SECONDS + 1) * 1000;

export interface BareRun {
  readonly requestsPerSecond: number;
  readonly requestsPerCpuSecond: number;
}

export interface SinkRun {
  readonly acknowledgedEvents: number;
  /** Acknowledged events per second of load. */
  readonly eventsPerSecond: number;
  /**
   * CPU seconds of each process, from the first request until SETTLED_MS after the load, or until a later last object.
   */
  readonly cpuSeconds: Readonly<Record<ServiceName | 'redis' | 's3', number>>;
  /** CPU seconds of the three services and Redis. The S3 stand-in does not count. */
  readonly eventsPerCpuSecond: number;
  readonly ingestEventsPerCpuSecond: number;
  readonly rssPeakBytes: Readonly<Record<ServiceName | 'redis', number>>;
  /** The time from the end of the load until the last event was in an object. */
  readonly drainSeconds: number;
  readonly stored: Stored;
}

export interface LoadSettings {
  readonly connections: number;
  readonly seconds: number;
}

/** One run against the bare server. @throws when a request failed */
export async function measureBare(
  server: { readonly url: string; readonly process: ManagedProcess },
  load: LoadGenerator,
  traffic: Sent,
  settings: LoadSettings,
): Promise<BareRun> {
  const before = usageOf(server.process.pid);
  const result = await send(load, { url: server.url, messages: traffic.messages, ...settings });
  const cpuSeconds = usageOf(server.process.pid).cpuSeconds - before.cpuSeconds;
  return {
    requestsPerSecond: result.acknowledged / result.seconds,
    requestsPerCpuSecond: result.acknowledged / cpuSeconds,
  };
}

/**
 * One run against the sink, from an empty bucket to the last event in it.
 *
 * @throws when a request failed, or when the events in the bucket are not exactly those that were answered with a 202
 */
export async function measureSink(
  sink: SinkProcesses,
  load: LoadGenerator,
  traffic: Sent,
  settings: LoadSettings,
): Promise<SinkRun> {
  await sink.s3.control.clear();
  const [acceptedBefore, before, s3Before] = [await sink.accepted(), sink.usage(), usageOf(sink.s3.process.pid)];

  const result = await send(load, { url: sink.url, messages: traffic.messages, ...settings });
  const drainSeconds = await settled(sink, performance.now());
  const [after, s3After] = [sink.usage(), usageOf(sink.s3.process.pid)];
  const accepted = (await sink.accepted()) - acceptedBefore;
  const acknowledgedEvents = result.acknowledged * traffic.eventsPerMessage;
  const stored = await countStored(sink.s3.control);
  checkStored(stored.events, accepted, acknowledgedEvents, settings.connections * traffic.eventsPerMessage);

  const used = (name: ServiceName | 'redis'): number => after[name].cpuSeconds - before[name].cpuSeconds;
  const sinkCpu = {
    ingest: used('ingest'),
    batcher: used('batcher'),
    uploader: used('uploader'),
    redis: used('redis'),
  };
  return {
    acknowledgedEvents,
    eventsPerSecond: acknowledgedEvents / result.seconds,
    cpuSeconds: { ...sinkCpu, s3: s3After.cpuSeconds - s3Before.cpuSeconds },
    eventsPerCpuSecond: accepted / Object.values(sinkCpu).reduce((sum, seconds) => sum + seconds, 0),
    ingestEventsPerCpuSecond: accepted / sinkCpu.ingest,
    rssPeakBytes: {
      ingest: after.ingest.rssPeakBytes,
      batcher: after.batcher.rssPeakBytes,
      uploader: after.uploader.rssPeakBytes,
      redis: after.redis.rssPeakBytes,
    },
    drainSeconds,
    stored,
  };
}

/** @throws when a request failed */
export async function send(load: LoadGenerator, options: LoadOptions): Promise<LoadResult> {
  const result = await load.run(options);
  if (result.failed > 0) throw new Error(`sending to ${options.url}: ${result.failed} requests got no 2xx`);
  return result;
}

/**
 * Waits until a fixed time after the load, and at least until the last object. The time of the last object depends on
 * the interval of the open file, and an idle sink also takes CPU time, as does looking, which therefore continues.
 *
 * @returns seconds from the end of the load to the last object
 */
async function settled(sink: SinkProcesses, loadEndMs: number): Promise<number> {
  await drained(sink);
  const drainSeconds = (performance.now() - loadEndMs) / 1000;
  while (performance.now() < loadEndMs + SETTLED_MS) {
    await sleep(Math.min(DRAIN_POLL_MS, loadEndMs + SETTLED_MS - performance.now()));
    await drained(sink);
  }
  return drainSeconds;
}

/** Waits until all accepted events, and so many further ones, are in objects and committed. */
export async function drained(
  sink: SinkProcesses,
  { besidesEvents = 0, timeoutMs = DRAIN_MAX_MS }: { besidesEvents?: number; timeoutMs?: number } = {},
): Promise<void> {
  await eventually(
    async () => {
      const [events, uploaded] = [besidesEvents + (await sink.accepted()), await sink.uploaded()];
      if (uploaded !== events) throw new Error(`waiting for the last object: ${uploaded} of ${events} events`);
    },
    { timeoutMs, intervalMs: DRAIN_POLL_MS },
  );
}

/**
 * The lines in the bucket must be exactly the events with a 202. The load generator stops at the end of its time and
 * may leave one request a connection, whose 202 ingest has sent and counted but the generator has not read.
 */
function checkStored(stored: number, accepted: number, acknowledged: number, unreadMax: number): void {
  if (stored !== accepted || acknowledged > accepted || accepted - acknowledged > unreadMax) {
    throw new Error(
      `checking the bucket: ${stored} events are stored, ${accepted} were accepted, ${acknowledged} acknowledged`,
    );
  }
}
