import { Readable } from 'node:stream';
import { GetObjectCommand, ListObjectsV2Command, NoSuchKey } from '@aws-sdk/client-s3';
import type { ListedObject, ObjectReader } from './object-store.ts';
import { abortedError, ObjectStoreError } from './object-store-error.ts';
import { S3Connection } from './s3-client.ts';
import type { S3BucketSettings } from './s3-client.ts';
import { noS3Remedy, operator } from './s3-remedies.ts';
import { describeS3Failure } from './s3-symptoms.ts';

/** The attempts of the SDK for one request. Nothing else repeats it. */
const attemptsMax = 5;

/** Lists and reads a bucket of S3; needs s3:ListBucket on the bucket, and s3:GetObject on its objects to read them. */
export class S3ObjectReader implements ObjectReader {
  readonly #connection: S3Connection;
  readonly #bucket: S3BucketSettings;

  constructor(bucket: S3BucketSettings) {
    this.#bucket = bucket;
    this.#connection = new S3Connection(bucket, '', { attemptsMax });
  }

  async list(prefix: string, after: string, signal: AbortSignal): Promise<readonly ListedObject[]> {
    const where = `listing objects [bucket=${this.#bucket.name}, prefix=${prefix}]`;
    const command = new ListObjectsV2Command({
      Bucket: this.#bucket.name,
      Prefix: prefix,
      ...(after === '' ? {} : { StartAfter: after }),
    });
    try {
      const page = await this.#connection.client.send(command, { abortSignal: signal });
      const { Contents: found = [], Name: name, IsTruncated: truncated } = page;
      // A web server may answer 200 to any request. That would look like a bucket without objects.
      if (name === undefined && truncated === undefined) {
        const failure = operator('not_s3', noS3Remedy(this.#connection.place));
        throw new ObjectStoreError(`${where}: success without a listing`, failure);
      }
      return found.map(({ Key = '', Size = 0, ETag, LastModified }) => ({
        key: Key,
        objectBytes: Size,
        etag: ETag ?? null,
        modifiedMs: LastModified?.getTime() ?? 0,
      }));
    } catch (error) {
      throw this.#failure(where, error, signal, 's3:ListBucket on the bucket');
    }
  }

  async get(key: string, signal: AbortSignal): Promise<Readable | null> {
    const where = `reading object [bucket=${this.#bucket.name}, key=${key}]`;
    try {
      const command = new GetObjectCommand({ Bucket: this.#bucket.name, Key: key });
      const { Body: body } = await this.#connection.client.send(command, { abortSignal: signal });
      if (body instanceof Readable) return body;
      throw new Error('the answer has no body');
    } catch (error) {
      if (error instanceof NoSuchKey) return null;
      throw this.#failure(where, error, signal, 's3:GetObject on its objects');
    }
  }

  close(): void {
    this.#connection.close();
  }

  #failure(where: string, error: unknown, signal: AbortSignal, permission: string): ObjectStoreError {
    if (error instanceof ObjectStoreError) return error;
    if (signal.aborted) return abortedError(where, signal);
    const failure = this.#connection.classify(error);
    const remedy = `Allow ${permission} for these credentials. An audit needs it; the sink itself does not.`;
    return new ObjectStoreError(
      `${where}: ${describeS3Failure(error)}`,
      failure.code === 'access_denied' ? { ...failure, remedy } : failure,
      error,
    );
  }
}
