import type { RedisProblem } from './redis-unfit.ts';
import type { Requirements } from './requirements.ts';
import type { ServerSettings } from './server-settings.ts';

/** The share of Redis' memory that the sink's own data may fill: at maxmemory BullMQ can't work (design, section 6). */
const MEMORY_SHARE_PERCENT = 60;
/** What one receipt takes in Redis, rounded up. */
const RECEIPT_BYTES = 512;
const BACKLOG_BYTES_MIN = 8 * 1024 * 1024;

export interface BacklogLimit {
  readonly maxmemoryBytes: number | null;
  /** Of no use when there are problems. */
  readonly backlogBytesMax: number;
  readonly problems: readonly RedisProblem[];
  readonly warnings: readonly string[];
}

/**
 * How much the sink may keep in this server: what the configuration says, else 60 % of maxmemory less the receipts.
 * Without maxmemory nothing is guessed: max_backlog_bytes has to be given, and is held against the machine's memory.
 */
export function backlogLimit(
  info: ReadonlyMap<string, string>,
  settings: ServerSettings,
  required: Pick<Requirements, 'maxBacklogBytes' | 'receiptsMax' | 'lanes'>,
): BacklogLimit {
  const { maxBacklogBytes } = required;
  const maxmemoryBytes = bytesOf(settings.get('maxmemory'));
  const receiptsBytes = required.receiptsMax * (required.lanes ?? 1) * RECEIPT_BYTES;
  const result = { maxmemoryBytes, backlogBytesMax: maxBacklogBytes ?? 0, problems: [], warnings: [] };

  if (maxmemoryBytes !== null && maxmemoryBytes > 0) {
    const limit = shareOf(maxmemoryBytes) - receiptsBytes;
    const found = tooSmall(limit, maxBacklogBytes, `maxmemory (${mib(maxmemoryBytes)})`, receiptsBytes);
    return { ...result, backlogBytesMax: maxBacklogBytes ?? limit, problems: found };
  }

  const what = maxmemoryBytes === null ? 'maxmemory can not be seen' : 'maxmemory is not set';
  const machineBytes = bytesOf(info.get('total_system_memory'));
  if (maxBacklogBytes === null) {
    return { ...result, problems: [noLimit(what, maxmemoryBytes, machineBytes, receiptsBytes)] };
  }
  const problems =
    machineBytes === null || machineBytes === 0
      ? []
      : tooSmall(
          shareOf(machineBytes) - receiptsBytes,
          maxBacklogBytes,
          `the memory of its machine (${mib(machineBytes)}; ${what})`,
          receiptsBytes,
        );
  return { ...result, problems, warnings: [`${what}: max_backlog_bytes is the only limit`] };
}

function noLimit(
  what: string,
  maxmemoryBytes: number | null,
  machineBytes: number | null,
  receiptsBytes: number,
): RedisProblem {
  const least = Math.ceil(((receiptsBytes + BACKLOG_BYTES_MIN) * 100) / MEMORY_SHARE_PERCENT);
  const advised = Math.max(least, Math.floor((machineBytes ?? 0) / 2));
  const own = 'set max_backlog_bytes to what Redis may hold for this sink';
  return {
    code: 'maxmemory',
    found: `${what}: nothing would stop Redis from growing until the system kills it`,
    remedy:
      maxmemoryBytes === null
        ? own
        : `redis-cli CONFIG SET maxmemory ${mib(advised).replaceAll(' ', '').replace('MiB', 'mb')}, and the same in redis.conf (at least ${mib(least)} here); or ${own}`,
  };
}

function tooSmall(
  limit: number,
  maxBacklogBytes: number | null,
  memory: string,
  receiptsBytes: number,
): readonly RedisProblem[] {
  if (maxBacklogBytes === null && limit < BACKLOG_BYTES_MIN) {
    return [
      {
        code: 'maxmemory',
        found: `${MEMORY_SHARE_PERCENT} % of ${memory} have no room for a backlog beside receipts of ${mib(receiptsBytes)}`,
        remedy: 'raise maxmemory, or lower receipts_max',
      },
    ];
  }
  if (maxBacklogBytes !== null && maxBacklogBytes > limit) {
    return [
      {
        code: 'backlog',
        found: `max_backlog_bytes (${mib(maxBacklogBytes)}) and receipts of ${mib(receiptsBytes)} are more than ${MEMORY_SHARE_PERCENT} % of ${memory}`,
        remedy: `lower max_backlog_bytes to ${mib(Math.max(limit, 0))} or less, raise maxmemory, or lower receipts_max`,
      },
    ];
  }
  return [];
}

function shareOf(bytes: number): number {
  return Math.floor((bytes * MEMORY_SHARE_PERCENT) / 100);
}

function mib(bytes: number): string {
  return `${Math.floor(bytes / 1024 ** 2)} MiB`;
}

function bytesOf(text: string | undefined): number | null {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : null;
}
