import type { SinkConfig } from '@sink/config';
import type { Backoff, Compression } from '@sink/domain';
import type { DurabilityBarrier } from '@sink/lane';

/** Every period and limit of a batcher, and what its configuration says. */
export interface BatcherSettings extends BatcherLimits {
  readonly sinkName: string;
  /** Lanes by configuration. The batcher also drains lanes that the sink used before. */
  readonly lanes: number;
  readonly prefix: string;
  readonly compression: Compression;
  readonly compressionLevel: number | undefined;
  /** Events in an object that is closed by size. */
  readonly flushSize: number;
  /** Bytes of uncompressed content in an object; one larger event is an object of its own. */
  readonly flushBytes: number;
  readonly scheduledIntervalMs: number;
  /** Files open at a time, over all lanes. */
  readonly openFilesMax: number;
  readonly leaseMs: number;
  readonly barrier: DurabilityBarrier;
  /** Bytes of a lane's backlog in Redis from which on its segments are released; null: nothing is spilled. */
  readonly spillAtBytes: number | null;
  /** Null: as much as the disk has. */
  readonly spoolBytesMax: number | null;
  /** Null: `reserveBytesDefault`, but at most a tenth of the disk. */
  readonly reserveBytes: number | null;
}

/** Periods and limits that are not configurable. Tests and the model use others. */
export interface BatcherLimits {
  /** Chunks in one read, at most, and bytes of bodies that one read is meant to bring. */
  readonly readChunksMax: number;
  readonly readBytes: number;
  /** How long a read waits for the first chunk; it also bounds how long stopping waits for the read. */
  readonly readBlockMs: number;
  /** How long chunks that trickle in gather before they are read. */
  readonly readGatherMs: number;
  /** The shortest life of an open file, so that a backlog older than the interval still fills files. */
  readonly openMsMin: number;
  /** How long a file of a partition that has ended waits for chunks that are on their way, or in the backlog. */
  readonly partitionEndGraceMs: number;
  /** On a full disk objects become smaller, down to this, so that small ones still fit. */
  readonly flushBytesMin: number;
  /** Entries that are not chunks which are remembered, so that each is reported once and never read again. */
  readonly foreignMax: number;
  /** Segments closed but not yet sealed at a time: bounds open descriptors, and what a refused seal throws away. */
  readonly closingMax: number;
  /** The waits before a seal without an answer is sent again. */
  readonly sealRetry: Backoff;
  /** The waits after a failed turn of a lane's loop. */
  readonly recoveryRetry: Backoff;
  /** How often chunks of dead batchers are looked for. */
  readonly claimEveryMs: number;
  /** How often the pending list is compared with the chunks that the batcher holds. */
  readonly auditEveryMs: number;
  /** How often chunks in no pending list are looked for, and pages that one look reads. */
  readonly scrubEveryMs: number;
  readonly scrubPagesMax: number;
  /** Renewals of a lease while it lasts, so that some answers may get lost. */
  readonly renewalsPerLease: number;
  readonly leaseRetryWaitMs: number;
  /** The wait between two instances. */
  readonly restartWaitMs: number;
  /** How often gauges are read, the spool is tidied, writers are retired and new lanes are looked for. */
  readonly housekeepingEveryMs: number;
  /** A writer that has not appended for this long is forgotten; if it is alive after all, it registers again. */
  readonly writerIdleMsMax: number;
  /** Files that one round of tidying looks at. */
  readonly tidyFilesMax: number;
  readonly spillLookEveryMs: number;
  /** Segments that are released between two looks at the backlog. */
  readonly releasesPerLook: number;
  /** Files found damaged that are remembered, so that they are not read again and again. */
  readonly unsoundMax: number;
  /** How often the room on the disk is looked at, and the files of the spool are added up. */
  readonly roomLookEveryMs: number;
  readonly roomWalkEveryMs: number;
  /** Bytes that may be written before the next look: one read of chunks. */
  readonly roomAheadBytes: number;
  readonly reserveBytesDefault: number;
}

const MIB = 1024 * 1024;

export const BATCHER_LIMITS: BatcherLimits = {
  readChunksMax: 32,
  // With 16 MiB the batcher uses 20 MB more memory and the same CPU time.
  readBytes: 4 * MIB,
  readBlockMs: 250,
  // With single events, a read for each chunk cost a third of the batcher's CPU time and a quarter of Redis'. 50 instead of
  // 20 ms saves another sixth of the batcher's. Only the object waits for it.
  readGatherMs: 50,
  openMsMin: 1_000,
  partitionEndGraceMs: 500,
  flushBytesMin: MIB,
  foreignMax: 10_000,
  closingMax: 8,
  sealRetry: { baseMs: 200, capMs: 2_000, floorMs: 100 },
  recoveryRetry: { baseMs: 400, capMs: 2_000, floorMs: 200 },
  claimEveryMs: 1_000,
  auditEveryMs: 10_000,
  scrubEveryMs: 5_000,
  // With S3 away for long, the counters of a lane are many pages.
  scrubPagesMax: 20,
  renewalsPerLease: 3,
  leaseRetryWaitMs: 200,
  restartWaitMs: 500,
  housekeepingEveryMs: 5_000,
  writerIdleMsMax: 3_600_000,
  tidyFilesMax: 1_000,
  spillLookEveryMs: 1_000,
  releasesPerLook: 16,
  unsoundMax: 10_000,
  roomLookEveryMs: 250,
  roomWalkEveryMs: 1_000,
  roomAheadBytes: 16 * MIB,
  reserveBytesDefault: 1024 * MIB,
};

/** @param redis what the examined Redis allows: its durability, and the bytes that the sink may store in it */
export function batcherSettings(
  config: SinkConfig,
  redis: { readonly barrier: DurabilityBarrier; readonly backlogBytesMax: number },
): BatcherSettings {
  const spillAtBytes = config.spillAtBytes ?? redis.backlogBytesMax / 2;
  return {
    ...BATCHER_LIMITS,
    sinkName: config.sinkName,
    lanes: config.lanes,
    prefix: config.prefix,
    compression: config.compression,
    compressionLevel: config.compressionLevel,
    flushSize: config.flushSize,
    flushBytes: config.flushBytes,
    scheduledIntervalMs: config.scheduledIntervalMs,
    openFilesMax: config.maxOpenFiles,
    leaseMs: config.leaseMs,
    barrier: redis.barrier,
    spillAtBytes: spillAtBytes === 'never' ? null : Math.floor(spillAtBytes / config.lanes),
    spoolBytesMax: config.maxSpoolBytes,
    reserveBytes: config.diskReserveBytes,
  };
}
