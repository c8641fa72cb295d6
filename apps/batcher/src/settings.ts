import { routesOf, type SinkConfig } from '@sink/config';
import type { Routes } from '@sink/domain';
import type { DurabilityBarrier } from '@sink/lane';

const MIB = 1024 * 1024;

/** Periods and limits that are not configurable. Tests and the model use others. */
export const BATCHER_LIMITS = {
  /** Chunks in one read, at most, and bytes of bodies that one read is meant to bring. */
  readChunksMax: 32,
  // With 16 MiB the batcher uses 20 MB more memory and the same CPU time.
  readBytes: 4 * MIB,
  /** How long a read waits for the first chunk; it also bounds how long stopping waits for the read. */
  readBlockMs: 250,
  /**
   * How long chunks that trickle in gather before they are read. With single events, a read for each chunk cost a third of
   * the batcher's CPU time and a quarter of Redis'. 50 instead of 20 ms saves another sixth of the batcher's. Only the object
   * waits for it.
   */
  readGatherMs: 50,
  /** A path with more lines than this gets a file. */
  pathInMemoryBytesMax: 64 * 1024,
  /** Segments that are closed between two reads. */
  closingsPerTurnMax: 32,
  /** The shortest life of an open file, so that a backlog older than the interval still fills files. */
  openMsMin: 1_000,
  /** How long a file of a partition that has ended waits for chunks that are on their way, or in the backlog. */
  partitionEndGraceMs: 500,
  /** On a full disk objects become smaller, down to this, so that small ones still fit. */
  flushBytesMin: MIB,
  /** Entries that are not chunks which are remembered, so that each is reported once and never read again. */
  foreignMax: 10_000,
  /** Segments closed but not yet sealed at a time: bounds open descriptors, and what a refused seal throws away. */
  closingMax: 8,
  /** The waits before a seal without an answer is sent again. */
  sealRetry: { baseMs: 200, capMs: 2_000, floorMs: 100 },
  /** The waits after a failed turn of a lane's loop. */
  recoveryRetry: { baseMs: 400, capMs: 2_000, floorMs: 200 },
  /** How often chunks of dead batchers are looked for. */
  claimEveryMs: 1_000,
  /** How often the pending list is compared with the chunks that the batcher holds. */
  auditEveryMs: 10_000,
  /** How often chunks in no pending list are looked for, and pages that one look reads: many, with S3 away for long. */
  scrubEveryMs: 5_000,
  scrubPagesMax: 20,
  /** Renewals of a lease while it lasts, so that some answers may get lost. */
  renewalsPerLease: 3,
  leaseRetryWaitMs: 200,
  /** The wait between two instances, and its limit: it doubles while none can be opened. */
  restartWaitMs: 500,
  restartWaitMsMax: 10_000,
  /** How often gauges are read, the spool is tidied, writers are retired and new lanes are looked for. */
  housekeepingEveryMs: 5_000,
  /** A writer that has not appended for this long is forgotten; if it is alive after all, it registers again. */
  writerIdleMsMax: 3_600_000,
  /** Files that one round of tidying looks at. */
  tidyFilesMax: 1_000,
  spillLookEveryMs: 1_000,
  /** How often a batcher looks whether a flush is asked for; Infinity: never. */
  flushLookEveryMs: 500,
  /** Segments that are released between two looks at the backlog. */
  releasesPerLook: 16,
  /** Files found damaged that are remembered, so that they are not read again and again. */
  unsoundMax: 10_000,
  /** How often the room on the disk is looked at, and the files of the spool are added up. */
  roomLookEveryMs: 250,
  roomWalkEveryMs: 1_000,
  /** Bytes that may be written before the next look: one read of chunks. */
  roomAheadBytes: 16 * MIB,
  reserveBytesDefault: 1024 * MIB,
};

/** What a batcher reads of the configuration as it is. */
type Configured = Pick<
  SinkConfig,
  'sinkName' | 'lanes' | 'compression' | 'flushSize' | 'flushBytes' | 'scheduledIntervalMs' | 'leaseMs'
>;

/** Every period and limit of a batcher, and what its configuration says. It also drains lanes that the sink used before. */
export interface BatcherSettings extends Readonly<typeof BATCHER_LIMITS>, Configured {
  /** Chunks of other routes wait. */
  readonly routes: Routes;
  readonly compressionLevel: number | undefined;
  /** How long after the last event of a path its segment is closed; null: only by other limits. */
  readonly idleIntervalMs: number | null;
  /** The size in the bucket at which an object is closed, unless its route says otherwise; null: no such limit. */
  readonly targetObjectBytes: number | null;
  /** Files open at a time, over all lanes. */
  readonly openFilesMax: number;
  /** Bytes of memory for paths without a file, over all lanes. */
  readonly openBytesMax: number;
  readonly barrier: DurabilityBarrier;
  /** Bytes of a lane's backlog in Redis at which ingest refuses events. */
  readonly backlogBytesMax: number;
  /** Bytes of a lane's backlog in Redis from which on its segments are released; null: nothing is spilled. */
  readonly spillAtBytes: number | null;
  /** Null: as much as the disk has. */
  readonly spoolBytesMax: number | null;
  /** Null: `reserveBytesDefault`, but at most a tenth of the disk. */
  readonly reserveBytes: number | null;
}

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
    routes: routesOf(config),
    compression: config.compression,
    compressionLevel: config.compressionLevel,
    flushSize: config.flushSize,
    flushBytes: config.flushBytes,
    targetObjectBytes: config.targetObjectSize,
    scheduledIntervalMs: config.scheduledIntervalMs,
    idleIntervalMs: config.idleIntervalMs,
    openFilesMax: config.maxOpenFiles,
    openBytesMax: config.maxOpenBytes,
    leaseMs: config.leaseMs,
    barrier: redis.barrier,
    backlogBytesMax: Math.floor(redis.backlogBytesMax / config.lanes),
    spillAtBytes: spillAtBytes === 'never' ? null : Math.floor(spillAtBytes / config.lanes),
    spoolBytesMax: config.maxSpoolBytes,
    reserveBytes: config.diskReserveBytes,
  };
}
