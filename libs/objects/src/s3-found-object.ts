import type { HeadObjectCommandOutput } from '@aws-sdk/client-s3';
import type { ObjectChecksum } from '@sink/domain';
import type { FoundObject } from './object-store.ts';

/** What HEAD says of an object. */
export function foundObject(found: HeadObjectCommandOutput): FoundObject {
  return { objectBytes: found.ContentLength ?? 0, checksum: checksumOf(found) };
}

/** The checksum of all bytes of an object; some stores have one of the checksums of its parts instead. */
function checksumOf(found: HeadObjectCommandOutput): ObjectChecksum | null {
  if (found.ChecksumType === 'COMPOSITE') return null;
  for (const algorithm of ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA256', 'SHA1'] as const) {
    const value = found[`Checksum${algorithm}`];
    if (value !== undefined) return { algorithm, value };
  }
  return null;
}
