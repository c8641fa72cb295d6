import { UNLISTED_MAX } from '@sink/domain';
import {
  FINGERPRINT_MEMORY_BYTES,
  RECEIPT_MEMORY_BYTES,
  ROUTED_RECEIPT_EXTRA_BYTES,
  UNLISTED_MEMORY_BYTES,
} from '@sink/lane';
import type { RedisProblem } from './requirements.ts';
import type { Requirements } from './requirements.ts';
import type { ServerSettings } from './server-settings.ts';

/** The share of Redis' memory that the sink's own data may fill: at maxmemory BullMQ cannot work. */
const MEMORY_SHARE_PERCENT = 60;
export const BACKLOG_BYTES_MIN = 8 * 1024 * 1024;

export interface BacklogLimit {
  readonly maxmemoryBytes: number | null;
  /** Of no use when there are problems. */
  readonly backlogBytesMax: number;
  readonly problems: readonly RedisProblem[];
  readonly warnings: readonly string[];
}

/**
 * How much the sink may keep in this server: what the configuration says, else 60 % of maxmemory less what is stored beside the backlog.
 * Without maxmemory nothing is guessed: max_backlog_bytes has to be given, and is held against the machine's memory.
 */
export function backlogLimit(
  info: ReadonlyMap<string, string>,
  settings: ServerSettings,
  required: BesidesBacklog & Pick<Requirements, 'maxBacklogBytes'>,
): BacklogLimit {
  const { maxBacklogBytes } = required;
  const maxmemoryBytes = bytesOf(settings.get('maxmemory'));
  const besides = besidesOf(required);
  const result = { maxmemoryBytes, backlogBytesMax: maxBacklogBytes ?? 0, problems: [], warnings: [] };

  if (maxmemoryBytes !== null && maxmemoryBytes > 0) {
    const limit = backlogIn(maxmemoryBytes, required);
    const found = tooSmall(limit, maxBacklogBytes, `maxmemory (${mib(maxmemoryBytes)})`, besides);
    return { ...result, backlogBytesMax: maxBacklogBytes ?? limit, problems: found };
  }

  const what = maxmemoryBytes === null ? 'maxmemory cannot be seen' : 'maxmemory is not set';
  const machineBytes = bytesOf(info.get('total_system_memory'));
  if (maxBacklogBytes === null) {
    return { ...result, problems: [noLimit(what, maxmemoryBytes, machineBytes, besides.bytes)] };
  }
  const problems =
    machineBytes === null || machineBytes === 0
      ? []
      : tooSmall(
          backlogIn(machineBytes, required),
          maxBacklogBytes,
          `the memory of its machine (${mib(machineBytes)}; ${what})`,
          besides,
        );
  return { ...result, problems, warnings: [`${what}: max_backlog_bytes is the only limit`] };
}

/** What the sink keeps in Redis beside its backlog, bounded by keys of its own. */
interface Besides {
  readonly bytes: number;
  readonly what: string;
  readonly keys: string;
}

/** The backlog that a Redis with so much memory has room for; less than `BACKLOG_BYTES_MIN` is of no use. */
export function backlogIn(memoryBytes: number, required: BesidesBacklog): number {
  return shareOf(memoryBytes) - besidesOf(required).bytes;
}

type BesidesBacklog = Pick<
  Requirements,
  'receiptsMax' | 'lanes' | 'maxFingerprints' | 'dedupeWindowMs' | 'manifests' | 'onInvalid'
>;

function besidesOf({
  receiptsMax,
  lanes = 1,
  maxFingerprints = 0,
  dedupeWindowMs = 0,
  manifests = false,
  onInvalid = 'reject',
}: BesidesBacklog): Besides {
  // In each interval, at most every second object is one of quarantine.
  const extraBytes = onInvalid === 'quarantine' ? ROUTED_RECEIPT_EXTRA_BYTES / 2 : 0;
  const waitingBytes = manifests ? UNLISTED_MAX * (UNLISTED_MEMORY_BYTES + extraBytes) : 0;
  const fingerprintsBytes = dedupeWindowMs === 0 ? 0 : maxFingerprints * FINGERPRINT_MEMORY_BYTES;
  return {
    bytes: lanes * (receiptsMax * (RECEIPT_MEMORY_BYTES + extraBytes) + waitingBytes + fingerprintsBytes),
    what: fingerprintsBytes === 0 ? 'receipts' : 'receipts and fingerprints',
    keys: [
      ...(lanes > 1 ? ['lanes'] : []),
      'receipts_max',
      ...(fingerprintsBytes === 0 ? [] : ['max_fingerprints']),
    ].join(' or '),
  };
}

/** Warns of lanes that have room, but not for the largest body: it would be refused for ever. */
export function smallLanes(
  backlogBytesMax: number,
  { lanes = 1, maxBodyBytes = 0 }: Pick<Requirements, 'lanes' | 'maxBodyBytes'>,
): string[] {
  const inLane = Math.floor(backlogBytesMax / lanes);
  if (inLane >= maxBodyBytes) return [];
  const keys = lanes > 1 ? 'lanes or receipts_max' : 'receipts_max';
  return [
    `each lane has room for ${mib(inLane)} (lanes is ${lanes}), less than max_body_bytes (${mib(maxBodyBytes)}): larger bodies are always answered with 503; raise maxmemory of every master, or lower ${keys}`,
  ];
}

function noLimit(
  what: string,
  maxmemoryBytes: number | null,
  machineBytes: number | null,
  besidesBytes: number,
): RedisProblem {
  const least = Math.ceil(((besidesBytes + BACKLOG_BYTES_MIN) * 100) / MEMORY_SHARE_PERCENT);
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
  besides: Besides,
): readonly RedisProblem[] {
  if (maxBacklogBytes === null && limit < BACKLOG_BYTES_MIN) {
    return [
      {
        code: 'maxmemory',
        found: `${MEMORY_SHARE_PERCENT} % of ${memory} have no room for a backlog beside ${besides.what} of ${mib(besides.bytes)}`,
        remedy: `raise maxmemory, or lower ${besides.keys}`,
      },
    ];
  }
  if (maxBacklogBytes !== null && maxBacklogBytes > limit) {
    return [
      {
        code: 'backlog',
        found: `max_backlog_bytes (${mib(maxBacklogBytes)}) and ${besides.what} of ${mib(besides.bytes)} are more than ${MEMORY_SHARE_PERCENT} % of ${memory}`,
        remedy: `lower max_backlog_bytes to ${mib(Math.max(limit, 0))} or less, raise maxmemory, or lower ${besides.keys}`,
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
