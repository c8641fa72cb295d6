import { formatBytes, formatDuration, type SinkConfig } from '@sink/config';
import { IoredisPort, Lane } from '@sink/lane';
import { connectRedis, requireRedis } from '@sink/redis';
import { EXIT_FAILED, EXIT_OK, systemClock } from '@sink/runtime';
import { UploadQueue, type WaitingUpload } from '@sink/uploads';
import { connectTool, toolConnected } from './attached-redis.ts';

export interface UploadsCommand {
  readonly action: 'list' | 'retry';
  /** For retry; none: all. */
  readonly segmentIds: readonly string[];
  readonly json: boolean;
}

type Write = (text: string) => void;

/** Shows the uploads that failed and wait for their next try, or ends that wait. Resolves to the exit code. */
export async function runUploads(config: SinkConfig, command: UploadsCommand, write: Write): Promise<number> {
  const client = connectTool(config);
  const log = { warn: () => undefined };
  try {
    await toolConnected(client, config);
    const connection = connectRedis(requireRedis(config.redis), 'queue', { onError: () => undefined });
    const queue = new UploadQueue(connection, config.sinkName, { log });
    try {
      if (command.action === 'retry') return await retry(queue, command.segmentIds, write);
      await list(queue, (lane) => new Lane(new IoredisPort(client), config.sinkName, lane), command.json, write);
      return EXIT_OK;
    } finally {
      await queue.close();
    }
  } catch (error) {
    write(`FAILED: ${error instanceof Error ? error.message : String(error)}\n`);
    return EXIT_FAILED;
  } finally {
    client.disconnect();
  }
}

async function retry(queue: UploadQueue, segmentIds: readonly string[], write: Write): Promise<number> {
  await queue.endHold();
  if (segmentIds.length === 0) {
    const { delayed } = await queue.counts();
    await queue.promoteDelayed();
    const revived = await queue.reviveFailed();
    write(`${delayed + revived} uploads are tried now\n`);
    return EXIT_OK;
  }
  let unknown = 0;
  for (const segmentId of segmentIds) {
    const found = await queue.retry(segmentId);
    if (!found) unknown += 1;
    write(found ? `${segmentId}: tried now\n` : `${segmentId}: no upload waits under this id; see "uploads list"\n`);
  }
  return unknown === 0 ? EXIT_OK : EXIT_FAILED;
}

async function list(queue: UploadQueue, laneOf: (lane: number) => Lane, json: boolean, write: Write): Promise<void> {
  let shown = 0;
  for await (const waiting of allWaiting(queue)) {
    const record = await laneOf(waiting.lane).record(waiting.segmentId);
    if (record === null) continue; // committed meanwhile
    shown += 1;
    const { key, count, bytes, acceptedAtMs } = record;
    if (json) {
      write(`${JSON.stringify({ ...waiting, key, events: count, bytes, acceptedAt: new Date(acceptedAtMs) })}\n`);
      continue;
    }
    const age = formatDuration(Math.max(0, Math.round((systemClock.wallMs() - acceptedAtMs) / 1_000) * 1_000));
    write(`${waiting.segmentId}  ${key}\n`);
    write(`  ${count} events, ${formatBytes(bytes)}, accepted ${age} ago, ${waiting.attempts} tries\n`);
    write(`  ${waiting.reason}\n`);
  }
  if (json) return;
  const { waiting, active, delayed } = await queue.counts();
  write(
    `${shown} uploads failed and are tried again; in all ${active} run, ${waiting} wait, ${delayed} wait for their next try\n`,
  );
}

async function* allWaiting(queue: UploadQueue): AsyncGenerator<WaitingUpload> {
  const told = new Set<string>();
  for (let start = 0; ;) {
    const page = await queue.waitingToRetry(start);
    for (const waiting of page.uploads) {
      if (told.has(waiting.segmentId)) continue;
      told.add(waiting.segmentId);
      yield waiting;
    }
    if (page.next === null) return;
    start = page.next;
  }
}
