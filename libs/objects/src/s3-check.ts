import { crc32 } from 'node:zlib';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { crc32Checksum } from '@sink/domain';
import { PROBE_NAME } from './object-store.ts';
import type { ObjectStoreCheck } from './object-store.ts';
import { bucketHeaders, objectHeaders, type PutSettings } from './put-settings.ts';
import type { S3Requests } from './s3-requests.ts';
import { statusOf } from './s3-symptoms.ts';

/** Tries a bucket with a probe. */
export class S3Check {
  readonly #requests: S3Requests;
  readonly #condition: { IfNoneMatch?: string };
  readonly #settings: PutSettings;
  readonly #wantsChecksum: boolean;

  constructor(
    requests: S3Requests,
    condition: { IfNoneMatch?: string },
    settings: PutSettings,
    wantsChecksum: boolean,
  ) {
    this.#requests = requests;
    this.#condition = condition;
    this.#settings = settings;
    this.#wantsChecksum = wantsChecksum;
  }

  /**
   * Puts a few bytes to `<prefix>_sink-aws-s3-check` with an intentionally wrong checksum: S3 first checks credentials,
   * permission and bucket, then refuses the body (BadDigest). This checks s3:PutObject, the only permission that the
   * sink needs, and stores nothing. A server that does not verify checksums keeps the probe, and the check warns about
   * it. The permission for a KMS key is not checked.
   *
   * `thorough` also stores the probe, with the right checksum, and puts it again to see whether the store refuses that.
   */
  async run(signal: AbortSignal, how: 'quick' | 'thorough'): Promise<ObjectStoreCheck> {
    const { bucket, prefix } = this.#requests.place;
    const warnings: string[] = [];
    if (!(await this.#verifiesChecksums(signal))) {
      const probe = `the probe ${prefix}${PROBE_NAME} remains in the bucket`;
      warnings.push(`the store does not verify checksums: it does not notice damaged bytes (${probe})`);
    }
    if (this.#wantsChecksum && !this.#requests.extras.checksum) {
      warnings.push(
        'the store does not accept `x-amz-checksum-crc32`, so objects are put without it, as with `checksum: off`',
      );
    }
    if (how === 'thorough' && this.#condition.IfNoneMatch !== undefined && !(await this.#refusesOverwriting(signal))) {
      warnings.push(
        'the store ignores `If-None-Match: *`: it would overwrite an object. Keys contain a hash of the content, so the sink writes the same again at most; `if_none_match: off` says so',
      );
    }
    return { location: `s3://${bucket}/${prefix}`, warnings };
  }

  async #verifiesChecksums(signal: AbortSignal): Promise<boolean> {
    const outcome = await this.#probe({ damaged: true, condition: this.#condition }, signal);
    if (outcome !== 'exists') return outcome === 'refused';
    // The store has a probe, and may look at the condition first. What it says without one is not about permissions.
    const unconditional = this.#probe({ damaged: true, condition: {} }, signal);
    return unconditional.then(
      (again) => again === 'refused',
      (error: unknown) => {
        if (signal.aborted) throw error;
        return true;
      },
    );
  }

  async #refusesOverwriting(signal: AbortSignal): Promise<boolean> {
    for (let puts = 0; puts < 2; puts++) {
      if ((await this.#probe({ damaged: false, condition: this.#condition }, signal)) === 'exists') return true;
    }
    return false;
  }

  async #probe(
    { damaged, condition }: { damaged: boolean; condition: { IfNoneMatch?: string } },
    signal: AbortSignal,
  ): Promise<'stored' | 'exists' | 'refused'> {
    const { bucket, prefix } = this.#requests.place;
    const where = `trying the bucket [bucket=${bucket}, key=${prefix}${PROBE_NAME}]`;
    const body = Buffer.from('{}\n');
    let etag: string | undefined;
    try {
      etag = await this.#requests.withExtras(async ({ checksum }) => {
        const command = new PutObjectCommand({
          Bucket: bucket,
          Key: `${prefix}${PROBE_NAME}`,
          Body: body,
          ContentLength: body.length,
          ContentType: 'text/plain',
          ...(checksum ? { ChecksumCRC32: crc32Checksum(damaged ? 0 : crc32(body)).value } : {}),
          // Older than all other checksums, and known to every store.
          ...(damaged && !checksum ? { ContentMD5: Buffer.alloc(16).toString('base64') } : {}),
          ...objectHeaders(this.#settings),
          ...bucketHeaders(this.#settings),
          ...condition,
        });
        return (await this.#requests.client.send(command, { abortSignal: signal })).ETag;
      });
    } catch (error) {
      if (statusOf(error) === 412) return 'exists';
      const failure = this.#requests.failure(where, error, signal);
      if (failure.code === 'bad_digest' && damaged) return 'refused';
      throw failure;
    }
    if (etag === undefined) throw this.#requests.noEtag(where);
    return 'stored';
  }
}
