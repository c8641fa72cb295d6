import { S3Client } from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import type { S3Place } from './s3-failure.ts';

/** A bucket of S3, or of a server with its protocol. */
export interface S3BucketSettings {
  readonly kind: 's3';
  readonly name: string;
  /** Absent: the region of the AWS profile; with an endpoint us-east-1, which most other servers accept. */
  readonly region?: string | undefined;
  /** Absent: AWS itself. */
  readonly endpoint?: string | undefined;
  readonly forcePathStyle: boolean;
  /** Absent: the AWS default chain (environment, profile, web identity, instance role). */
  readonly credentials?:
    | { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string | undefined }
    | undefined;
}

const connectTimeoutMs = 10_000;
const idleTimeoutDefaultMs = 60_000;
/** Above every reasonable upload concurrency. Further requests wait for a connection. */
const socketsMax = 64;

/** A client for the bucket. Opens no connection until the first request. */
export function openS3Client(
  bucket: S3BucketSettings,
  options: { readonly attemptsMax: number; readonly idleTimeoutMs?: number | undefined },
): S3Client {
  const region = regionOf(bucket);
  const agent = { keepAlive: true, maxSockets: socketsMax };
  return new S3Client({
    ...(region === undefined ? {} : { region }),
    ...(bucket.endpoint === undefined ? {} : { endpoint: bucket.endpoint }),
    ...(bucket.credentials === undefined ? {} : { credentials: staticCredentials(bucket.credentials) }),
    forcePathStyle: bucket.forcePathStyle,
    maxAttempts: options.attemptsMax,
    // The sink sends the CRC-32 itself. Checksums of the SDK would turn streams into aws-chunked bodies.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    customUserAgent: 'sink-aws-s3',
    // The errors contain what the SDK would log, and the sink logs JSON only.
    logger: silent,
    // Agents as options, not as instances: only then does the SDK wait for 100 Continue before it sends a large body,
    // so that an early 403 or 503 is read instead of lost with a reset connection.
    requestHandler: new NodeHttpHandler({
      connectionTimeout: connectTimeoutMs,
      socketTimeout: options.idleTimeoutMs ?? idleTimeoutDefaultMs,
      httpAgent: agent,
      httpsAgent: agent,
    }),
  });
}

/** The data that remedies for failures with this bucket name. */
export function placeOf(bucket: S3BucketSettings, prefix: string): S3Place {
  return { bucket: bucket.name, prefix, endpoint: bucket.endpoint, region: regionOf(bucket) };
}

function regionOf({ region, endpoint }: S3BucketSettings): string | undefined {
  return region ?? (endpoint === undefined ? undefined : 'us-east-1');
}

const silent = { debug: ignore, info: ignore, warn: ignore, error: ignore };

function ignore(): void {
  // Nothing.
}

function staticCredentials({ sessionToken, ...keys }: NonNullable<S3BucketSettings['credentials']>) {
  return sessionToken === undefined ? keys : { ...keys, sessionToken };
}
