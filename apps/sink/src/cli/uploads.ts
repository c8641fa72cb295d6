import { formatBytes, formatDuration, type SinkConfig } from '@sink/config';
import { RECORD_VERSION } from '@sink/domain';
import { IoredisPort, LaneView, rememberLanes } from '@sink/lane';
import { connectRedis, requireRedis } from '@sink/redis';
import { EXIT_FAILED, EXIT_OK, silentLog, systemClock } from '@sink/runtime';
import { UploadQueue, type WaitingUpload } from '@sink/uploads';
import { type RedirectCommand, redirectUploads } from './redirect-uploads.ts';
import { connectTool, toolConnected } from './attached-redis.ts';

export type UploadsCommand =
  | {
      readonly action: 'list' | 'retry';
      /** For retry. Empty: all. */
      readonly segmentIds: readonly string[];
      readonly json: boolean;
    }
  | RedirectCommand;

type Write = (text: string) => void;

/** Lists the uploads that failed and wait for their retry, or retries them now. Resolves to the exit code. */
export async function runUploads(config: SinkConfig, command: UploadsCommand, write: Write): Promise<number> {
  const client = connectTool(config);
  try {
    await toolConnected(client, config);
    const port = new IoredisPort(client);
    const laneOf = (lane: number): LaneView => new LaneView(port, config.sinkName, lane);
    const spools = await spoolsInUse((await rememberLanes(port, config.sinkName, config.lanes)).map(laneOf));
    const queues = [null, ...spools].map((spoolId) => {
      const connection = connectRedis(requireRedis(config.redis), 'queue', { onError: () => undefined });
      return new UploadQueue(connection, config.sinkName, { log: silentLog, ...(spoolId === null ? {} : { spoolId }) });
    });
    try {
      if (command.action === 'redirect') return await redirect(config, port, queues, command, write);
      if (command.action === 'retry') return await retry(queues, command.segmentIds, write);
      await list(queues, laneOf, command.json, write);
      return EXIT_OK;
    } finally {
      await Promise.all(queues.map((queue) => queue.close()));
    }
  } catch (error) {
    write(`FAILED: ${error instanceof Error ? error.message : String(error)}\n`);
    return EXIT_FAILED;
  } finally {
    client.disconnect();
  }
}

/** Redirects, and retries at once what is redirected. */
async function redirect(
  config: SinkConfig,
  port: IoredisPort,
  queues: readonly UploadQueue[],
  command: RedirectCommand,
  write: Write,
): Promise<number> {
  const { code, segmentIds } = await redirectUploads(config, port, command, write);
  for (const segmentId of segmentIds) await Promise.all(queues.map((queue) => queue.retry(segmentId)));
  return code;
}

/** The ids of the spool directories that hold spilled segments. Each has a queue of its own. */
async function spoolsInUse(lanes: readonly LaneView[]): Promise<ReadonlySet<string>> {
  const spools = new Set<string>();
  for (const lane of lanes) {
    for await (const spilled of lane.spilled()) for (const { spoolId } of spilled) spools.add(spoolId);
  }
  return spools;
}

async function retry(queues: readonly UploadQueue[], segmentIds: readonly string[], write: Write): Promise<number> {
  for (const queue of queues) await queue.endHold();
  if (segmentIds.length === 0) {
    let uploads = 0;
    for (const queue of queues) {
      uploads += (await queue.counts()).delayed;
      await queue.promoteDelayed();
      uploads += await queue.reviveFailed();
    }
    write(`retrying ${uploads} uploads now\n`);
    return EXIT_OK;
  }
  let unknown = 0;
  for (const segmentId of segmentIds) {
    const found = (await Promise.all(queues.map((queue) => queue.retry(segmentId)))).includes(true);
    if (!found) unknown += 1;
    write(found ? `${segmentId}: retrying now\n` : `${segmentId}: no upload with this id waits; see "uploads list"\n`);
  }
  return unknown === 0 ? EXIT_OK : EXIT_FAILED;
}

async function list(
  queues: readonly UploadQueue[],
  laneOf: (lane: number) => LaneView,
  json: boolean,
  write: Write,
): Promise<void> {
  let shown = 0;
  const counts = { active: 0, waiting: 0, delayed: 0 };
  for (const queue of queues) {
    for await (const waiting of allWaiting(queue)) shown += await show(waiting, laneOf(waiting.lane), json, write);
    const { active, waiting, delayed } = await queue.counts();
    counts.active += active;
    counts.waiting += waiting;
    counts.delayed += delayed;
  }
  if (json) return;
  write(
    `${shown} uploads failed and will be retried; in all ${counts.active} are running, ${counts.waiting} are waiting, ${counts.delayed} are waiting for their retry\n`,
  );
}

/** @returns the number of uploads shown: 0 for a segment that was committed meanwhile, else 1 */
async function show(waiting: WaitingUpload, lane: LaneView, json: boolean, write: Write): Promise<0 | 1> {
  const record = (await lane.record(waiting.segmentId)) ?? (await lane.spilledRecord(waiting.segmentId));
  if (record === null) return 0;
  const { key, count, bytes, acceptedAtMs } = record;
  const place = {
    ...(record.v === RECORD_VERSION ? {} : { bucket: record.bucket, route: record.route, path: record.path }),
    ...('spoolId' in record ? { spoolId: record.spoolId } : {}),
  };
  if (json) {
    const acceptedAt = new Date(acceptedAtMs);
    write(`${JSON.stringify({ ...waiting, key, events: count, bytes, acceptedAt, ...place })}\n`);
    return 1;
  }
  const age = formatDuration(Math.max(0, Math.round((systemClock.wallMs() - acceptedAtMs) / 1_000) * 1_000));
  write(`${waiting.segmentId}  ${key}\n`);
  write(`  ${count} events, ${formatBytes(bytes)}, accepted ${age} ago, ${waiting.attempts} attempts\n`);
  if (record.v !== RECORD_VERSION)
    write(`  of route ${record.route}, path ${record.path}, for the bucket ${record.bucket}\n`);
  if ('spoolId' in record) write(`  spilled into the spool directory with the id ${record.spoolId}\n`);
  write(`  ${waiting.reason}\n`);
  return 1;
}

async function* allWaiting(queue: UploadQueue): AsyncGenerator<WaitingUpload> {
  const shown = new Set<string>();
  for (let start = 0; ;) {
    const page = await queue.waitingToRetry(start);
    for (const waiting of page.uploads) {
      if (shown.has(waiting.segmentId)) continue;
      shown.add(waiting.segmentId);
      yield waiting;
    }
    if (page.next === null) return;
    start = page.next;
  }
}
