import type { InstanceSpool, SegmentWriter, SpoolDirectory } from '@sink/spool';

export type SegmentWriterPort = Pick<SegmentWriter, 'write' | 'finish' | 'seal' | 'discard'>;

/** The folder of one instance. */
export interface SpoolPort extends Pick<InstanceSpool, 'instance' | 'removeSealed'> {
  createSegment(segment: Parameters<InstanceSpool['createSegment']>[0]): Promise<SegmentWriterPort>;
}

/** What tidying and spilling need of the spool directory. */
export type SpoolFolders = Pick<
  SpoolDirectory,
  'instances' | 'files' | 'remove' | 'removeIfEmpty' | 'examine' | 'mark' | 'quarantine'
>;

/** Hands a sealed segment over to the uploaders; adding one twice is harmless. */
export interface UploadsPort {
  add(lane: number, segmentId: string): Promise<void>;
}

/** Whether the disk has room for more, and how much went there since it was looked at. */
export interface RoomPort {
  hasRoom(): boolean;
  took(bytes: number): void;
}

export interface BatcherClock {
  wallMs(): number;
  monotonicMs(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** What the operator is told; labels, gauges and readiness are the service's business. */
export interface BatcherEvents {
  readonly foreign: (lane: number, id: string, problem: string) => void;
  readonly claimed: (lane: number, from: string, chunks: number) => void;
  readonly restored: (lane: number, chunks: number) => void;
  /** Something failed that reading again mends; told at every try. */
  readonly recovering: (lane: number, reason: unknown) => void;
  /** A turn of the loop went well; told at every turn. */
  readonly working: (lane: number) => void;
}

/** Hears of every try that failed, and of every one that went well. */
export interface HealthPort {
  failing(reason: unknown): void;
  working(): void;
}
