import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import type { RemoteS3 } from '@sink/testing';

const LF = 0x0a;

/** The content of the bucket. */
export interface Stored {
  readonly objects: number;
  /** The number of lines in all objects. */
  readonly events: number;
  readonly contentBytes: number;
  readonly objectBytes: number;
}

/** Reads every object of a bucket, decompresses it and counts its lines, independently of all counters. */
export async function countStored(s3: RemoteS3): Promise<Stored> {
  const stored = { objects: 0, events: 0, contentBytes: 0, objectBytes: 0 };
  for (const key of await s3.keys()) {
    const body = await s3.body(key);
    const content = decompressed(key, body);
    stored.objects += 1;
    stored.events += lines(content);
    stored.contentBytes += content.length;
    stored.objectBytes += body.length;
  }
  return stored;
}

function decompressed(key: string, body: Buffer): Buffer {
  if (key.endsWith('.gz')) return gunzipSync(body);
  return key.endsWith('.zst') ? zstdDecompressSync(body) : body;
}

function lines(content: Buffer): number {
  let count = 0;
  for (let at = content.indexOf(LF); at !== -1; at = content.indexOf(LF, at + 1)) count += 1;
  return count;
}
