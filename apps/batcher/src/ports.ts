import type { Compression } from '@sink/domain';

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

/** Hands a sealed segment over to the uploaders; adding one twice is harmless. */
export interface UploadsPort {
  add(lane: number, segmentId: string): Promise<void>;
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
