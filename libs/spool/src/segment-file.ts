import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { type FileSystem, nullIfMissing, type OpenFile } from './file-system.ts';
import { segmentPath, type SegmentState } from './paths.ts';
import { damaged, decodeFooter, decodeTrailer, TRAILER_BYTES } from './segment-format.ts';
import type { SegmentFooter } from './segment-format.ts';
import { attempting } from './spool-error.ts';

const READ_BYTES = 512 * 1024;

/**
 * The file of a sealed segment. It is not kept open: each call opens it again. The calls reject with SpoolError:
 * `spool_gone` if the file was removed meanwhile, `segment_damaged` if it became shorter.
 */
export interface SegmentFile extends Omit<SegmentFooter, 'record'> {
  /** `sealed` or `spilled`, as of when it was opened. */
  readonly state: SegmentState;
  /** As it was passed to seal(). */
  readonly recordJson: string;
  /** Whether the object's bytes have the checksum they were sealed with. Reads all of them. */
  verify(): Promise<boolean>;
  /** The object's bytes, all in memory, unverified. */
  read(): Promise<Buffer>;
  /**
   * The object's bytes, or a part of them, unverified: pass `crc32` to the store, which refuses damaged bytes. One stream per
   * call.
   */
  stream(from?: number, to?: number): Readable;
  /** Removes the file; it may be gone already. Only the process that commits the segment may do so. */
  remove(): Promise<void>;
}

/** A file may be renamed to the other state, and back, during the look. */
const LOOKED_FOR = ['sealed', 'spilled', 'sealed'] as const satisfies readonly SegmentState[];

/**
 * Opens the file of a sealed segment, spilled or not; null when there is none.
 * @throws SpoolError `segment_damaged`, `segment_version`, `bad_name`, or what the operating system answered
 */
export async function openSegment(
  files: FileSystem,
  directory: string,
  instance: string,
  segmentId: string,
): Promise<SegmentFile | null> {
  for (const state of LOOKED_FOR) {
    const path = segmentPath(directory, instance, segmentId, state);
    const found = await attempting(`opening segment file ${path}`, () => openFile(files, path, segmentId));
    if (found !== null) return { ...found, state };
  }
  return null;
}

async function openFile(
  files: FileSystem,
  path: string,
  segmentId: string,
): Promise<Omit<SegmentFile, 'state'> | null> {
  const file = await nullIfMissing(files.open(path, 'read'));
  if (file === null) return null;
  try {
    const { record, ...footer } = await readFooter(file, segmentId, `opening segment file ${path}`);
    return { ...footer, recordJson: record, ...accessors(files, path, footer.objectBytes, footer.crc32) };
  } finally {
    await file.close();
  }
}

async function readFooter(file: OpenFile, segmentId: string, action: string): Promise<SegmentFooter> {
  const { size: fileBytes } = await file.stat();
  const trailerStart = Math.max(0, fileBytes - TRAILER_BYTES);
  const trailer = decodeTrailer(await readExactly(file, trailerStart, fileBytes, action), fileBytes, action);
  const footer = await readExactly(file, trailerStart - trailer.footerBytes, trailerStart, action);
  return decodeFooter(footer, trailer, { segmentId, fileBytes }, action);
}

async function readExactly(file: OpenFile, start: number, end: number, action: string): Promise<Buffer> {
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
  files: FileSystem,
  path: string,
  objectBytes: number,
  expectedCrc32: number,
): Pick<SegmentFile, 'verify' | 'read' | 'stream' | 'remove'> {
  const action = `reading segment file ${path}`;
  return {
    verify: async () => {
      let checksum = 0;
      for await (const piece of objectPieces(files, path, objectBytes, action, 'reused'))
        checksum = crc32(piece, checksum);
      return checksum === expectedCrc32;
    },
    read: async () => {
      const body = Buffer.allocUnsafe(objectBytes);
      let filled = 0;
      for await (const piece of objectPieces(files, path, objectBytes, action, 'reused'))
        filled += piece.copy(body, filled);
      return body;
    },
    stream: (from = 0, to = objectBytes) =>
      Readable.from(objectPieces(files, path, to, action, 'fresh', from), { objectMode: false }),
    remove: () => attempting(`removing segment file ${path}`, () => files.remove(path)),
  };
}

/** The object's bytes from `from` to `endBytes`, in order; with `reused` memory the next piece overwrites each. */
async function* objectPieces(
  files: FileSystem,
  path: string,
  endBytes: number,
  action: string,
  memory: 'reused' | 'fresh',
  from = 0,
): AsyncGenerator<Buffer, void, void> {
  const file = await attempting(action, () => files.open(path, 'read'));
  try {
    const shared = memory === 'reused' ? Buffer.allocUnsafe(Math.min(READ_BYTES, endBytes - from)) : null;
    let offset = from;
    while (offset < endBytes) {
      const wantedBytes = Math.min(READ_BYTES, endBytes - offset);
      const buffer = shared ?? Buffer.allocUnsafe(wantedBytes);
      const position = offset;
      const { bytesRead } = await attempting(action, () => file.read(buffer, 0, wantedBytes, position));
      if (bytesRead === 0) throw damaged(action, `the object ends at byte ${offset} of ${endBytes}`);
      offset += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}
