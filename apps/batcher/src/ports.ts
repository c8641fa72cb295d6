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
