import type { ConfigProblem, SinkConfig } from '@sink/config';
import { BACKLOG_BYTES_MIN, backlogIn } from '@sink/redis';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

/** Bytes on disk, at most. An event in the backlog takes as much as it counts there. */
const RECEIPT_BYTES = 512;
const FINGERPRINT_FILE_BYTES = 24;
const UNLISTED_BYTES = 20_000 * 640;

/** Redis rewrites its file when it has doubled; the new one is written beside it. */
const COPIES = 3;
/** On a large disk Redis rewrites its file seldom, because that costs CPU time. */
const REWRITE_MIN_BYTES = 512 * MIB;
/** The share of a small disk for what Redis holds; with `COPIES` of it, two thirds of the disk are for its file. */
const LIVE_SHARE = 0.22;
/** What one kind of data beside the backlog gets of that, unless its key is set. */
const BESIDES_SHARE = 1 / 4;
/** A disk has plenty of room if it has this many times what Redis needs. */
const PLENTY = 8;
const SPOOL_MIN_BYTES = 8 * MIB;
/** Receipts and fingerprints in each lane. */
const AMOUNT_MIN = 1_000;
const RESERVE_MAX_BYTES = GIB;
const FLOOR_MIN_BYTES = 4 * MIB;
const FLOOR_MAX_BYTES = 64 * MIB;
/** A body as base64, in an allocation of Redis: the share of the backlog that the largest one may take. */
const BODY_SHARE = 0.6;
/** Spilling needs some room above `spill_at`. */
const ABOVE_SPILL = 1.25;

export interface Volume {
  readonly totalBytes: number;
  /** What is free, and what the sink has stored in `redis/` and `spool/`. */
  readonly availableBytes: number;
}

/** How the sink divides the volume of `data_dir` between its own Redis and the spool (docs/adr/0017-small-disks.md). */
export interface DiskPlan {
  /** Values of keys that are not set, for the environment of the services. */
  readonly environment: Readonly<Record<string, string>>;
  /** Defaults that are lowered: for a warning. */
  readonly lowered: readonly string[];
  /** Keys whose values can never fit this volume: the sink does not start. */
  readonly problems: readonly ConfigProblem[];
  /** Whether the sink decides when Redis rewrites its file; else Redis does, from `rewriteMinBytes` on. */
  readonly isSmall: boolean;
  readonly rewriteMinBytes: number;
  /** Stays free. */
  readonly reserveBytes: number;
  /** With less free space ingest refuses events, so that those in Redis can still leave it. */
  readonly floorBytes: number;
}

type Planned = Pick<
  SinkConfig,
  | 'given'
  | 'lanes'
  | 'manifests'
  | 'dedupeWindowMs'
  | 'maxFingerprints'
  | 'receiptsMax'
  | 'maxBacklogBytes'
  | 'spillAtBytes'
  | 'maxBodyBytes'
  | 'maxSpoolBytes'
  | 'diskReserveBytes'
>;

interface Amounts {
  readonly receipts: number;
  readonly fingerprints: number;
}

export function planDisk(config: Planned, volume: Volume, maxmemoryBytes: number): DiskPlan {
  const { reserveBytes, usableBytes } = spaceOf(config, volume);
  const asked = { receipts: config.receiptsMax, fingerprints: config.maxFingerprints };
  const liveBytes = (config.maxBacklogBytes ?? memoryBacklog(config, asked, maxmemoryBytes)) + besides(config, asked);
  const redisBytes = Math.max(REWRITE_MIN_BYTES, 2 * liveBytes) + liveBytes + burst(usableBytes);
  if (redisBytes + Math.max(config.maxSpoolBytes ?? 0, redisBytes / 4) > usableBytes) {
    return planSmallDisk(config, volume, maxmemoryBytes);
  }
  const plenty = usableBytes >= PLENTY * redisBytes && config.diskReserveBytes === null;
  return {
    environment: plenty
      ? { SINK_DISK_RESERVE_BYTES: String(Math.max(reserveBytes, redisBytes)) }
      : spoolLimit(config, usableBytes - redisBytes),
    lowered: [],
    problems: [],
    isSmall: false,
    rewriteMinBytes: REWRITE_MIN_BYTES,
    reserveBytes,
    floorBytes: floorOf(reserveBytes),
  };
}

function planSmallDisk(config: Planned, volume: Volume, maxmemoryBytes: number): DiskPlan {
  const parts = divide(config, volume, maxmemoryBytes);
  const values: readonly (readonly [key: string, before: number | null, now: number])[] = [
    ['max_backlog_bytes', config.maxBacklogBytes, parts.backlogBytes],
    ['receipts_max', config.receiptsMax, parts.receipts],
    ...(config.dedupeWindowMs > 0 ? [['max_fingerprints', config.maxFingerprints, parts.fingerprints] as const] : []),
    ['max_body_bytes', config.maxBodyBytes, parts.bodyBytes],
  ];
  const lowered = values.filter(([, before, now]) => before !== now);
  return {
    environment: {
      ...Object.fromEntries(lowered.map(([key, , now]) => [`SINK_${key.toUpperCase()}`, String(now)])),
      ...spoolLimit(config, parts.spoolBytes),
    },
    lowered: lowered.map(([key, , now]) => `${key} ${show(key, now)}`),
    problems: problemsOf(config, volume.totalBytes, maxmemoryBytes),
    isSmall: true,
    rewriteMinBytes: parts.liveBytes,
    reserveBytes: parts.reserveBytes,
    floorBytes: floorOf(parts.reserveBytes),
  };
}

interface Space {
  readonly reserveBytes: number;
  readonly usableBytes: number;
}

function spaceOf({ diskReserveBytes }: Planned, { totalBytes, availableBytes }: Volume): Space {
  const reserveBytes = diskReserveBytes ?? Math.min(RESERVE_MAX_BYTES, Math.floor(totalBytes / 10));
  return { reserveBytes, usableBytes: Math.max(0, Math.min(totalBytes, availableBytes) - reserveBytes) };
}

interface Parts extends Space, Amounts {
  readonly backlogBytes: number;
  /** What Redis holds. */
  readonly liveBytes: number;
  /** The file of Redis at its largest, and while it is rewritten. */
  readonly redisBytes: number;
  readonly spoolBytes: number;
  readonly bodyBytes: number;
}

/** Divides a small disk. Keys that are set keep their values, even if those do not fit. */
function divide(config: Planned, volume: Volume, maxmemoryBytes: number): Parts {
  const { reserveBytes, usableBytes } = spaceOf(config, volume);
  const isGiven = (key: Planned['given'][number]): boolean => config.given.includes(key);
  const burstBytes = burst(usableBytes);
  const besideSpoolBytes = (usableBytes - burstBytes - (config.maxSpoolBytes ?? 0)) / COPIES;
  const roomBytes = Math.max(0, Math.min(usableBytes * LIVE_SHARE, besideSpoolBytes));
  const amount = (key: 'receipts_max' | 'max_fingerprints', value: number, eachBytes: number): number => {
    const share = roundDown((roomBytes * BESIDES_SHARE) / config.lanes / eachBytes, 100);
    return isGiven(key) ? value : Math.min(value, Math.max(AMOUNT_MIN, share));
  };
  const amounts = {
    receipts: amount('receipts_max', config.receiptsMax, RECEIPT_BYTES),
    fingerprints: amount('max_fingerprints', config.maxFingerprints, FINGERPRINT_FILE_BYTES),
  };
  const besidesBytes = besides(config, amounts);
  const wantedBytes = Math.max(leastBacklog(config, isGiven('max_body_bytes')), roomBytes - besidesBytes);
  const backlogBytes =
    config.maxBacklogBytes ??
    Math.max(BACKLOG_BYTES_MIN, roundDown(Math.min(memoryBacklog(config, amounts, maxmemoryBytes), wantedBytes), MIB));
  const liveBytes = backlogBytes + besidesBytes;
  const redisBytes = COPIES * liveBytes + burstBytes;
  const bodyRoomBytes = Math.min(backlogBytes * BODY_SHARE, (burstBytes + reserveBytes) / COPIES);
  return {
    reserveBytes,
    usableBytes,
    ...amounts,
    backlogBytes,
    liveBytes,
    redisBytes,
    spoolBytes: config.maxSpoolBytes ?? Math.max(SPOOL_MIN_BYTES, roundDown(usableBytes - redisBytes, MIB)),
    bodyBytes: isGiven('max_body_bytes')
      ? config.maxBodyBytes
      : Math.min(config.maxBodyBytes, Math.max(MIB, roundDown(bodyRoomBytes, MIB))),
  };
}

function floorOf(reserveBytes: number): number {
  return Math.floor(Math.min(FLOOR_MAX_BYTES, Math.max(FLOOR_MIN_BYTES, reserveBytes / 2)));
}

/** What Redis holds beside the backlog, over all lanes. */
function besides({ lanes, manifests, dedupeWindowMs }: Planned, { receipts, fingerprints }: Amounts): number {
  const unlisted = manifests ? UNLISTED_BYTES : 0;
  return (
    lanes * (receipts * RECEIPT_BYTES + unlisted + (dedupeWindowMs > 0 ? fingerprints * FINGERPRINT_FILE_BYTES : 0))
  );
}

/** The backlog that Redis' memory allows. */
function memoryBacklog(config: Planned, { receipts, fingerprints }: Amounts, maxmemoryBytes: number): number {
  const amounts = { receiptsMax: receipts, maxFingerprints: fingerprints };
  return Math.max(BACKLOG_BYTES_MIN, backlogIn(maxmemoryBytes, { ...config, ...amounts }));
}

/** What the keys that are set need of the backlog. */
function leastBacklog({ spillAtBytes, maxBodyBytes }: Planned, isBodyGiven: boolean): number {
  const spill = typeof spillAtBytes === 'number' ? spillAtBytes * ABOVE_SPILL : 0;
  return Math.max(spill, isBodyGiven ? maxBodyBytes / BODY_SHARE : 0);
}

/** What is written before a look at the disk notices. */
function burst(usableBytes: number): number {
  return Math.min(32 * MIB, Math.max(4 * MIB, usableBytes / 16));
}

function spoolLimit({ maxSpoolBytes }: Planned, bytes: number): Readonly<Record<string, string>> {
  return maxSpoolBytes === null ? { SINK_MAX_SPOOL_BYTES: String(roundDown(bytes, MIB / 4)) } : {};
}

/** The keys that may be set too high for a volume, with the steps in which a value that fits is looked for. */
const LIMITS = {
  max_backlog_bytes: ['maxBacklogBytes', MIB],
  spill_at: ['spillAtBytes', MIB],
  max_body_bytes: ['maxBodyBytes', MIB],
  receipts_max: ['receiptsMax', 100],
  max_fingerprints: ['maxFingerprints', 100],
  max_spool_bytes: ['maxSpoolBytes', MIB],
  disk_reserve_bytes: ['diskReserveBytes', MIB],
} as const;
type LimitKey = keyof typeof LIMITS;

/** Keys that cannot fit, with what fits. Space that other files take now is no mistake of the configuration. */
function problemsOf(config: Planned, totalBytes: number, maxmemoryBytes: number): readonly ConfigProblem[] {
  const fits = (tried: Planned): boolean => {
    const parts = divide(tried, { totalBytes, availableBytes: totalBytes }, maxmemoryBytes);
    const spillFits = typeof tried.spillAtBytes !== 'number' || tried.spillAtBytes < parts.backlogBytes;
    return spillFits && parts.redisBytes + parts.spoolBytes + parts.reserveBytes <= totalBytes;
  };
  if (fits(config)) return [];
  const where = `the volume of data_dir, which has ${show('', totalBytes)}`;
  const asked = (Object.keys(LIMITS) as LimitKey[]).flatMap((key) => {
    const [name, step] = LIMITS[key];
    const value = config[name];
    if (typeof value !== 'number' || !config.given.includes(key)) return [];
    return [{ key, value, most: mostOf(value, step, (most) => fits({ ...config, [name]: most })) }];
  });
  // The key that needs the least change.
  const [nearest] = asked.filter(({ most }) => most > 0).sort((a, b) => b.most / b.value - a.most / a.value);
  if (nearest !== undefined) {
    const { key, value, most } = nearest;
    return [{ key, given: show(key, value), allowed: `at most ${show(key, most)} on ${where}` }];
  }
  if (asked.length > 0) {
    const allowed = `less: these keys together do not fit ${where}`;
    return asked.map(({ key, value }) => ({ key, given: show(key, value), allowed }));
  }
  const parts = divide(config, { totalBytes, availableBytes: totalBytes }, maxmemoryBytes);
  const leastBytes = parts.redisBytes + parts.spoolBytes + parts.reserveBytes;
  const allowed = `a directory on a volume of at least ${show('', leastBytes + MIB)}`;
  return [{ key: 'data_dir', given: `one on a volume of ${show('', totalBytes)}`, allowed }];
}

/** The largest multiple of `step` below `value` that fits; 0 if none does. */
function mostOf(value: number, step: number, fits: (most: number) => boolean): number {
  let [low, high] = [0, Math.ceil(value / step)];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (fits(middle * step)) low = middle;
    else high = middle;
  }
  return low * step;
}

function show(key: string, value: number): string {
  return /^(receipts_max|max_fingerprints)$/.test(key) ? String(value) : `${Math.floor(value / MIB)} MiB`;
}

function roundDown(value: number, unit: number): number {
  return Math.max(0, Math.floor(value / unit) * unit);
}
