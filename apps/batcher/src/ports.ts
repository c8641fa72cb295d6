import type { Compression, SegmentRecord } from '@sink/domain';
import type { SegmentState, SpoolFile } from '@sink/spool';

/** What the batcher needs of the spool; @sink/spool implements it. */
export interface SegmentWriterPort {
  /** A promise is backpressure: nothing more is written before it settles. */
  write(ndjson: Buffer): void | Promise<void>;
  finish(): Promise<{ sha256: string; contentBytes: number; objectBytes: number; crc32: number }>;
  seal(recordJson: string): Promise<void>;
  discard(): Promise<void>;
}

export interface SpoolPort {
  readonly instance: string;
  createSegment(segment: {
    segmentId: string;
    compression: Compression;
    compressionLevel?: number;
  }): Promise<SegmentWriterPort>;
  /** Removes a file that was sealed on disk but refused by the lane. */
  removeSealed(segmentId: string): Promise<void>;
}

/** The spool as those see it who look after its files: instances' folders and the files in them. */
export interface SpoolFolders {
  instances(): Promise<string[]>;
  files(instance: string): Promise<SpoolFile[]>;
  /** Removes the file if it is still in this state. */
  remove(instance: string, file: SpoolFile): Promise<void>;
  removeFolderIfEmpty(instance: string): Promise<void>;
  /** Reads every byte of a sealed or spilled file. */
  examine(instance: string, segmentId: string): Promise<ExaminedFile>;
  /** Durably says of a sealed file that it may be the only copy from now on; false when it is gone. */
  mark(instance: string, segmentId: string): Promise<boolean>;
  /** Puts a marked file aside for a person; false when it is gone. */
  quarantine(instance: string, segmentId: string): Promise<boolean>;
}

/** What a file holds. `newer`: a newer release wrote it. */
export type ExaminedFile =
  | { readonly kind: 'sound'; readonly state: SegmentState; readonly record: SegmentRecord }
  | { readonly kind: 'missing' | 'damaged' | 'newer' };

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
