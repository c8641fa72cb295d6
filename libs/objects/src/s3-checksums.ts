import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { Crc32c, Crc64Nvme } from '@aws-sdk/checksums/crc';
import { crc32Checksum } from '@sink/domain';
import { BodyDamaged, BodyUnreadable, problemOf } from './checked-body.ts';
import type { ObjectToPut } from './object-store.ts';

/** `auto`: CRC-32 until the store refuses its header; `off`: none. */
export type ChecksumChoice = 'auto' | 'off' | 'crc32' | 'crc32c' | 'crc64nvme' | 'sha256';
export type ChecksumAlgorithm = 'CRC32' | 'CRC32C' | 'CRC64NVME' | 'SHA256';

export function algorithmOf(choice: ChecksumChoice): ChecksumAlgorithm {
  switch (choice) {
    case 'crc32c':
      return 'CRC32C';
    case 'crc64nvme':
      return 'CRC64NVME';
    case 'sha256':
      return 'SHA256';
    default:
      return 'CRC32';
  }
}

/** The member of a request of the SDK that has the checksum. */
export function checksumMember(
  algorithm: ChecksumAlgorithm,
  value: string,
): Partial<Record<`Checksum${ChecksumAlgorithm}`, string>> {
  return { [`Checksum${algorithm}`]: value };
}

/** A checksum that is computed piece by piece. */
interface Running {
  update(piece: Buffer): void;
  /** Base64, as the header carries it. */
  digest(): Promise<string>;
}

function running(algorithm: Exclude<ChecksumAlgorithm, 'CRC32'>): Running {
  if (algorithm === 'SHA256') {
    const hash = createHash('sha256');
    return { update: (piece) => void hash.update(piece), digest: async () => hash.digest('base64') };
  }
  // 410 and 270 MB/s on a core; CRC-32 and SHA-256 are Node's own.
  const sum = algorithm === 'CRC32C' ? new Crc32c() : new Crc64Nvme();
  return {
    update: (piece) => sum.update(piece),
    digest: async () => Buffer.from(await sum.digest()).toString('base64'),
  };
}

/** The checksums of an object and of its parts, and the CRC-32 of each part. */
export interface ObjectSums {
  readonly whole: string;
  readonly parts: readonly { readonly bytes: number; readonly crc32: number; readonly sum: string }[];
}

/**
 * Reads an object once, and computes its checksum and those of its parts.
 * @param partBytes of each part but the last; absent: the object is one part
 * @throws BodyDamaged if the body has another length or CRC-32 than announced, BodyUnreadable
 */
export async function objectSums(
  object: ObjectToPut,
  algorithm: ChecksumAlgorithm,
  signal: AbortSignal,
  partBytes = Infinity,
): Promise<ObjectSums> {
  const whole = algorithm === 'CRC32' ? null : running(algorithm);
  const parts: { bytes: number; crc32: number; sum: string }[] = [];
  let bytes = 0;
  let wholeCrc32 = 0;
  let part = newPart();

  function newPart() {
    return { bytes: 0, crc32: 0, own: algorithm === 'CRC32' || partBytes === Infinity ? null : running(algorithm) };
  }

  async function endPart(): Promise<void> {
    const sum = part.own === null ? crc32Checksum(part.crc32).value : await part.own.digest();
    parts.push({ bytes: part.bytes, crc32: part.crc32, sum });
    part = newPart();
  }

  for await (const read of pieces(object)) {
    signal.throwIfAborted();
    bytes += read.length;
    wholeCrc32 = crc32(read, wholeCrc32);
    whole?.update(read);
    for (let at = 0; at < read.length;) {
      const piece = read.subarray(at, at + partBytes - part.bytes);
      at += piece.length;
      part.bytes += piece.length;
      part.crc32 = crc32(piece, part.crc32);
      part.own?.update(piece);
      if (part.bytes === partBytes) await endPart();
    }
  }
  const problem = problemOf(object, bytes, wholeCrc32);
  if (problem !== null) throw new BodyDamaged(problem);
  if (part.bytes > 0 || parts.length === 0) await endPart();
  return { whole: whole === null ? crc32Checksum(wholeCrc32).value : await whole.digest(), parts };
}

async function* pieces({ body }: ObjectToPut): AsyncGenerator<Buffer> {
  if (Buffer.isBuffer(body)) {
    yield body;
    return;
  }
  try {
    for await (const piece of body()) yield piece as Buffer;
  } catch (cause) {
    throw new BodyUnreadable('the body cannot be read', { cause });
  }
}
