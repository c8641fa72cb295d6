import type { SegmentRecord } from '@sink/domain';
import type { RedisPort } from '@sink/lane';
import type { Clock, Logger, Readiness } from '@sink/runtime';
import type { InstanceSpool, SpoolDirectory } from '@sink/spool';
import type { TraceFields, Tracing } from '@sink/tracing';
import type { OpenChange } from './lane/open-segments.ts';
import type { Waiting } from './lane/waiting-chunks.ts';
import type { BatcherMetrics, ClosedBy } from './metrics.ts';

/** Everything outside of the batcher. */
export interface BatcherPorts {
  /** A connection for commands. */
  readonly redis: RedisPort;
  /** Opens a connection of its own for reads that wait. */
  readonly openReader: () => { readonly redis: RedisPort; readonly close: () => void };
  readonly spool: BatcherSpool;
  readonly uploads: UploadHandover;
  /** The uploads of what is spilled into the spool directory with this id. Called only if segments may be spilled. */
  readonly spilledUploads: (spoolId: string) => UploadHandover;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly ids: BatcherIds;
  readonly metrics: BatcherMetrics;
  readonly log: BatcherLog;
  readonly readiness: Pick<Readiness, 'set'>;
  /** Null or absent: nothing is traced. */
  readonly tracing?: Tracing | null;
  /** Reports failures of one kind, named as in "lane 0". */
  readonly reporter: (name: string) => Reporter;
}

/** New ids, each different from all that were ever used. */
export interface BatcherIds {
  /** The name of a batcher instance. */
  readonly consumer: () => string;
  readonly segment: () => string;
  readonly laneUid: () => string;
}

export type BatcherLog = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;

/** What the batcher needs of the spool directory. */
export type BatcherSpool = Pick<
  SpoolDirectory,
  | 'path'
  | 'idOrNull'
  | 'instance'
  | 'instances'
  | 'files'
  | 'remove'
  | 'removeIfEmpty'
  | 'examine'
  | 'mark'
  | 'quarantine'
  | 'usedBytes'
  | 'disk'
>;

/** What a lane needs of its instance's folder. */
export type LaneSpool = Pick<InstanceSpool, 'instance' | 'createSegment' | 'removeSealed'>;

/** Hands a sealed segment over to the uploaders; adding one twice is harmless. */
export interface UploadHandover {
  add(lane: number, segmentId: string): Promise<void>;
}

/** Learns of every try that failed and of every one that succeeded; a FailureReporter is one. */
export interface Reporter {
  failed(fields: TraceFields & { readonly err: unknown }): void;
  succeeded(): void;
}

/** What happens in one lane. */
export interface LaneEvents {
  readonly open: (change: OpenChange) => void;
  readonly sealed: (record: SegmentRecord) => void;
  /** Called for each sealed segment. */
  readonly closed: (by: ClosedBy) => void;
  readonly foreign: (id: string, problem: string) => void;
  /** Chunks of routes that this batcher does not know: after each change, and after each audit. */
  readonly waiting: (waiting: Waiting) => void;
  readonly claimed: (from: string, chunks: number) => void;
  readonly restored: (chunks: number) => void;
  /** A turn of the loop failed and will be tried again; called for every failed turn. */
  readonly recovering: (reason: unknown) => void;
  /** A turn of the loop succeeded; called for every one. */
  readonly working: () => void;
}
