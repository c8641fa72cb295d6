import { BodyDamaged, BodyUnreadable } from './checked-body.ts';
import { abortedError, ObjectStoreError } from './object-store-error.ts';
import { S3Connection } from './s3-client.ts';
import type { S3BucketSettings, S3ClientOptions } from './s3-client.ts';
import type { ChecksumChoice } from './s3-checksums.ts';
import { refusesChecksumHeader } from './s3-failure.ts';
import { noS3Remedy, type S3Place } from './s3-remedies.ts';
import { describeS3Failure, statusOf } from './s3-symptoms.ts';

/** What a PUT does without when a store refuses it. */
export interface Extras {
  /** `Expect: 100-continue`, which the SDK sends with a large body. */
  readonly expect: boolean;
  /** The header with the checksum. */
  readonly checksum: boolean;
}

export interface S3RequestsOptions extends Omit<S3ClientOptions, 'attemptsMax'> {
  readonly checksum: ChecksumChoice;
  readonly prefix: string;
  readonly quarantinePrefix: string | undefined;
}

/** The requests of one store: what it refuses is left out of them, and their failures are classified. */
export class S3Requests {
  readonly connection: S3Connection;
  readonly #checksum: S3RequestsOptions['checksum'];
  readonly #quarantinePrefix: string | undefined;
  #extras: Extras;

  constructor(bucket: S3BucketSettings, options: S3RequestsOptions) {
    this.#checksum = options.checksum;
    this.#quarantinePrefix = options.quarantinePrefix;
    this.#extras = { expect: true, checksum: options.checksum !== 'off' };
    // Only the queue retries, because attempts would multiply.
    this.connection = new S3Connection(bucket, options.prefix, { ...options, attemptsMax: 1 });
  }

  get client(): S3Connection['client'] {
    return this.connection.client;
  }

  get place(): S3Place {
    return this.connection.place;
  }

  /** What no PUT was refused for yet. */
  get extras(): Extras {
    return this.#extras;
  }

  /**
   * Tries a PUT. If the store refuses what a PUT can do without, this and all further ones do without it: `Expect` (417), and
   * with `checksum: auto` the checksum.
   */
  async withExtras<T>(attempt: (extras: Extras) => Promise<T>): Promise<T> {
    let extras = this.#extras;
    for (;;) {
      try {
        return await attempt(extras);
      } catch (error) {
        const refused = this.#refusedExtra(error, extras);
        if (refused === null) throw error;
        extras = { ...extras, [refused]: false };
        this.#extras = { ...this.#extras, [refused]: false };
      }
    }
  }

  #refusedExtra(error: unknown, { expect, checksum }: Extras): keyof Extras | null {
    if (expect && statusOf(error) === 417) return 'expect';
    return checksum && this.#checksum === 'auto' && refusesChecksumHeader(error) ? 'checksum' : null;
  }

  /** A captive portal or a web server may answer 200 to any request. S3 always sends an ETag. */
  noEtag(where: string): ObjectStoreError {
    const remedy = noS3Remedy(this.connection.place);
    return new ObjectStoreError(`${where}: success without an ETag`, { code: 'unexpected', kind: 'transient', remedy });
  }

  /** The start of the keys of objects like this one: the longer of those that fit. */
  prefixOf(key: string | undefined): string {
    const { prefix } = this.connection.place;
    const other = this.#quarantinePrefix;
    if (other === undefined || key?.startsWith(other) !== true) return prefix;
    return key.startsWith(prefix) && prefix.length > other.length ? prefix : other;
  }

  failure(
    where: string,
    error: unknown,
    signal: AbortSignal,
    { head = false, key }: { readonly head?: boolean; readonly key?: string } = {},
  ): ObjectStoreError {
    if (error instanceof BodyDamaged || error instanceof BodyUnreadable) {
      const code = error instanceof BodyDamaged ? 'body_damaged' : 'body_unreadable';
      return new ObjectStoreError(`${where}: ${error.message}`, { code, kind: 'damaged' }, error);
    }
    if (signal.aborted) return abortedError(where, signal);
    const failure = this.connection.classify(error, head, this.prefixOf(key));
    return new ObjectStoreError(`${where}: ${describeS3Failure(error, head)}`, failure, error);
  }
}
