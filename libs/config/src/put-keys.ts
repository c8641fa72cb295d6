import { bytes, choice, duration, optionalBoolean, optionalChoice, optionalInteger, optionalText } from './field.ts';
import { metadataField, ownerField, tagsField } from './put-texts.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
/** The longest lock that S3 takes is 100 years. */
const LOCK_MS_MAX = 100 * 365 * 86_400_000;

/** How an object is made and put: keys of the top level, and of each of `routes`. */
export const putKeys = {
  compression: choice(['none', 'gzip', 'zstd'], 'none', 'The compression of objects.'),
  compression_level: optionalInteger(
    1,
    22,
    '1 to 9 with gzip, 1 to 22 with zstd; a higher level makes smaller objects and is slower. No effect without compression. Default: that of the codec.',
  ),
  checksum: choice(
    ['auto', 'off', 'crc32', 'crc32c', 'crc64nvme', 'sha256'],
    'auto',
    'The checksum that a PUT sends, so that the store refuses damaged bytes. `crc32`: `x-amz-checksum-crc32`. `auto`: the same, until the store refuses that header. `crc32c`, `crc64nvme`, `sha256`: the header of that name; the file is read once more to compute it. `off`: none.',
  ),
  multipart_above: bytes(
    5 * MIB,
    5 * GIB,
    '64MiB',
    'Objects larger than this are sent in several parts at the same time, and the store checks the whole. No effect with `checksum: sha256` or `off`: S3 has such checksums of parts only, so these objects are one PUT.',
  ),
  sse: optionalChoice(
    ['AES256', 'aws:kms', 'aws:kms:dsse'],
    'How S3 encrypts objects on its disks. Default: as the bucket says.',
  ),
  sse_kms_key_id: optionalText(
    /^[A-Za-z0-9_:/+=,.@-]{1,1000}$/,
    'the id, the ARN or the alias of a key (an ARN if the key is of another account)',
    'The KMS key of `sse: aws:kms` or `aws:kms:dsse`. Default: the key `aws/s3` of the account.',
  ),
  sse_bucket_key: optionalBoolean(
    'Whether S3 asks KMS less often, with a key for the whole bucket; only with `sse: aws:kms`. Default: as the bucket says.',
  ),
  storage_class: optionalText(
    /^[A-Za-z0-9_-]{1,64}$/,
    'the name of a storage class, such as STANDARD_IA',
    'The storage class of objects. Default: that of the store (STANDARD).',
  ),
  acl: optionalChoice(
    [
      'private',
      'public-read',
      'public-read-write',
      'authenticated-read',
      'aws-exec-read',
      'bucket-owner-read',
      'bucket-owner-full-control',
    ],
    'The canned ACL of objects, for buckets that have ACLs. Default: none is sent.',
  ),
  tags: tagsField,
  metadata: metadataField,
  object_lock_mode: optionalChoice(
    ['GOVERNANCE', 'COMPLIANCE'],
    'How `object_lock_for` locks. `GOVERNANCE`: users with a permission of its own can end the lock. `COMPLIANCE`: nobody can. Default: `GOVERNANCE`.',
  ),
  object_lock_for: duration(
    0,
    LOCK_MS_MAX,
    '0',
    'For how long the store locks an object, from the moment at which it was closed. The bucket must have been made with object lock. 0: not at all.',
  ),
  expected_bucket_owner: ownerField(
    'The AWS account that owns the bucket. S3 refuses requests if another one does. Default: it is not checked.',
  ),
  requester_pays: optionalBoolean(
    'Whether the sink agrees to pay for its requests, as a bucket with requester pays wants. Default: false.',
  ),
  cache_control: optionalText(
    /^[\x21-\x7e]([\x20-\x7e]{0,254}[\x21-\x7e])?$/,
    'printable ASCII, up to 256 characters',
    'The `Cache-Control` of objects. Default: none.',
  ),
};
