import type { DefaultJobOptions } from 'bullmq';

/**
 * BullMQ's name of the queue; the sink's own name stands in the prefix. Any uploader takes from the common one. What is
 * spilled into a spool directory has a queue for that directory, because only who sees it can upload it.
 * @param spoolId null: the common queue
 */
export function queueName(spoolId: string | null): string {
  return spoolId === null ? 'jobs' : `spilled-${spoolId}`;
}

/** The name of the one backoff type; every worker registers its strategy. */
export const BACKOFF_TYPE = 'sink';

/** What a job carries; the segment's id is the job's id, and all else stands in the segment's record. */
export interface UploadJob {
  readonly lane: number;
}

/**
 * Nothing is ever given up: an upload is tried until it succeeds. (`Infinity` breaks BullMQ's Lua.) A job is small in Redis
 * whatever happens to it: no stack traces, and nothing of it stays when it is done.
 */
export const jobOptions: DefaultJobOptions = {
  attempts: Number.MAX_SAFE_INTEGER,
  backoff: { type: BACKOFF_TYPE },
  removeOnComplete: true,
  stackTraceLimit: 0,
};

/** All keys of the queue begin with this, and live on one node of a Redis Cluster. */
export function queuePrefix(sinkName: string): string {
  return `{${sinkName}:uploads}`;
}

/** The lane of a job's data, or null where the data is not ours. */
export function laneOf(data: unknown): number | null {
  if (typeof data !== 'object' || data === null || !('lane' in data)) return null;
  const { lane } = data;
  return typeof lane === 'number' && Number.isSafeInteger(lane) && lane >= 0 ? lane : null;
}

/** The same for a job's data as it stands in Redis. */
export function laneOfText(json: unknown): number | null {
  if (typeof json !== 'string') return null;
  try {
    return laneOf(JSON.parse(json));
  } catch {
    return null;
  }
}
