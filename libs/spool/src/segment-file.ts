import type { FileHandle } from 'node:fs/promises';
import { open, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { segmentPath, type SegmentState } from './paths.ts';
import { damaged, decodeFooter, decodeTrailer, TRAILER_BYTES } from './segment-format.ts';
import type { SegmentFooter } from './segment-format.ts';
import { attempting, errnoOf } from './spool-error.ts';

const READ_BYTES = 512 * 1024;

/**
 * A sealed segment. Holds no file open: each of the calls opens it anew. They reject with SpoolError: `spool_gone`
 * when the file was removed meanwhile, `segment_damaged` when it became shorter.
 */
export interface SegmentFile extends Omit<SegmentFooter, 'record'> {
  /** What it was when it was opened: `sealed` or `spilled`. */
  readonly state: SegmentState;
  /** As it was given to seal(). */
  readonly recordJson: string;
  /** Whether the object's bytes still have the checksum they were sealed with. Reads all of them. */
  verify(): Promise<boolean>;
  /** The object's bytes, all in memory, unverified. */
  read(): Promise<Buffer>;
  /** The object's bytes, unverified: give the store `crc32` along, so that it refuses damage. One stream per call. */
  stream(): Readable;
  /** Removes the file; it may be gone already. Nobody but the committer of the segment may do so. */
  remove(): Promise<void>;
}

/** A file may change from one to the other, and back, while it is looked for. */
const LOOKED_FOR = ['sealed', 'spilled', 'sealed'] as const satisfies readonly SegmentState[];

/**
 * Opens the file of a sealed segment, spilled or not; null when there is none.
 * @throws SpoolError `segment_damaged`, `segment_version`, `bad_name`, or what the operating system answered
 */
export async function openSegment(directory: string, instance: string, segmentId: string): Promise<SegmentFile | null> {
  for (const state of LOOKED_FOR) {
    const path = segmentPath(directory, instance, segmentId, state);
    const found = await attempting(`opening segment file ${path}`, () => openFile(path, segmentId));
    if (found !== null) return { ...found, state };
  }
  return null;
}

async function openFile(path: string, segmentId: string): Promise<Omit<SegmentFile, 'state'> | null> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
  try {
    const { record, ...footer } = await readFooter(file, segmentId, `opening segment file ${path}`);
    return { ...footer, recordJson: record, ...accessors(path, footer.objectBytes, footer.crc32) };
  } finally {
    await file.close();
  }
}

async function readFooter(file: FileHandle, segmentId: string, action: string): Promise<SegmentFooter> {
  const { size: fileBytes } = await file.stat();
  const trailerStart = Math.max(0, fileBytes - TRAILER_BYTES);
  const trailer = decodeTrailer(await readExactly(file, trailerStart, fileBytes, action), fileBytes, action);
  const footer = await readExactly(file, trailerStart - trailer.footerBytes, trailerStart, action);
  return decodeFooter(footer, trailer, { segmentId, fileBytes }, action);
}

async function readExactly(file: FileHandle, start: number, end: number, action: string): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(end - start);
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, start + filled);
    if (bytesRead === 0) throw damaged(action, `it ends at byte ${start + filled}, before ${end}`);
    filled += bytesRead;
  }
  return buffer;
}

function accessors(
  path: string,
  objectBytes: number,
  expectedCrc32: number,
): Pick<SegmentFile, 'verify' | 'read' | 'stream' | 'remove'> {
  const action = `reading segment file ${path}`;
  return {
    verify: async () => {
      let checksum = 0;
      for await (const piece of objectPieces(path, objectBytes, action, 'reused')) checksum = crc32(piece, checksum);
      return checksum === expectedCrc32;
    },
    read: async () => {
      const body = Buffer.allocUnsafe(objectBytes);
      let filled = 0;
      for await (const piece of objectPieces(path, objectBytes, action, 'reused')) filled += piece.copy(body, filled);
      return body;
    },
    stream: () => Readable.from(objectPieces(path, objectBytes, action, 'fresh'), { objectMode: false }),
    remove: () => attempting(`removing segment file ${path}`, () => rm(path, { force: true })),
  };
}

/** The object's bytes in order; `reused`: each piece is overwritten by the next. */
async function* objectPieces(
  path: string,
  objectBytes: number,
  action: string,
  memory: 'reused' | 'fresh',
): AsyncGenerator<Buffer, void, void> {
  const file = await attempting(action, () => open(path, 'r'));
  try {
    const shared = memory === 'reused' ? Buffer.allocUnsafe(Math.min(READ_BYTES, objectBytes)) : null;
    let offset = 0;
    while (offset < objectBytes) {
      const wantedBytes = Math.min(READ_BYTES, objectBytes - offset);
      const buffer = shared ?? Buffer.allocUnsafe(wantedBytes);
      const position = offset;
      const { bytesRead } = await attempting(action, () => file.read(buffer, 0, wantedBytes, position));
      if (bytesRead === 0) throw damaged(action, `the object ends at byte ${offset} of ${objectBytes}`);
      offset += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}
