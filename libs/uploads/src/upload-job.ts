import type { DefaultJobOptions } from 'bullmq';

/**
 * The queue's name in BullMQ; the name of the sink is in the prefix. All uploaders share the common queue. Each spool
 * directory has a queue for the segments that are spilled into it, because only its uploaders can upload them.
 * @param spoolId null: the common queue
 */
export function queueName(spoolId: string | null): string {
  return spoolId === null ? 'jobs' : `spilled-${spoolId}`;
}

/** The name of the only backoff type. Every worker registers its strategy. */
const BACKOFF_TYPE = 'sink';

/** The data of a job. Its id is the id of the segment, and everything else is in the record of the segment. */
export interface UploadJob {
  readonly lane: number;
}

/**
 * An upload is retried until it succeeds. (`Infinity` does not work in BullMQ's Lua.) A job stays small in Redis: it
 * has no stack traces, and is removed when it is done.
 */
export const jobOptions: DefaultJobOptions = {
  attempts: Number.MAX_SAFE_INTEGER,
  backoff: { type: BACKOFF_TYPE },
  removeOnComplete: true,
  stackTraceLimit: 0,
};

/** All keys of the queue begin with this, and are on one node of a Redis Cluster. */
export function queuePrefix(sinkName: string): string {
  return `{${sinkName}:uploads}`;
}

/** The lane in a job's data; null if the data is not from the sink. */
export function laneOf(data: unknown): number | null {
  if (typeof data !== 'object' || data === null || !('lane' in data)) return null;
  const { lane } = data;
  return typeof lane === 'number' && Number.isSafeInteger(lane) && lane >= 0 ? lane : null;
}

/** The same for a job's data as it is stored in Redis. */
export function laneOfText(json: unknown): number | null {
  if (typeof json !== 'string') return null;
  try {
    return laneOf(JSON.parse(json));
  } catch {
    return null;
  }
}
