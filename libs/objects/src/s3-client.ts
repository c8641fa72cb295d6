import { S3Client } from '@aws-sdk/client-s3';
import { classifyUnavailable, expiredInUse, namingSource, refusesCredentials } from './credentials-failure.ts';
import { type ClientProperties, type CredentialSettings, identityOf, readerOf } from './credentials-providers.ts';
import { CredentialsSource, CredentialsUnavailable } from './credentials-source.ts';
import type { CredentialsTimes } from './credentials-source.ts';
import type { Failure } from './object-store-error.ts';
import { withProxy } from './proxy-failure.ts';
import { classifyS3Failure } from './s3-failure.ts';
import type { S3Place } from './s3-remedies.ts';
import { S3RequestHandler } from './s3-request-handler.ts';
import type { S3Network, S3Proxy } from './s3-request-handler.ts';

/** A bucket of S3, or of a server with its protocol. */
export interface S3BucketSettings extends S3Network, CredentialSettings {
  readonly kind: 's3';
  readonly name: string;
  /** Absent: the region of the AWS profile; with an endpoint us-east-1, which most other servers accept. */
  readonly region?: string | undefined;
  /** Absent: AWS itself. */
  readonly endpoint?: string | undefined;
  /** The key or variable that gives `endpoint`, for remedies; absent: the key. */
  readonly endpointFrom?: string | undefined;
  readonly forcePathStyle: boolean;
  /** Whether S3 is reached through S3 Transfer Acceleration. */
  readonly accelerate?: boolean | undefined;
  /** Where credentials come from, for remedies; absent: not said. */
  readonly credentialsFrom?: string | undefined;
}

export interface S3ClientOptions {
  /** The attempts of the SDK for one request. */
  readonly attemptsMax: number;
  /** Ends an attempt without progress for so long; default 60 s. */
  readonly idleTimeoutMs?: number | undefined;
  readonly credentialsTimes?: Partial<CredentialsTimes> | undefined;
}

/** A client for one bucket, with the meaning of its failures. Opens no connection until the first request. */
export class S3Connection {
  readonly client: S3Client;
  readonly place: S3Place;
  readonly #credentials: CredentialsSource<ClientProperties> | null;
  readonly #credentialsFrom: string | undefined;
  readonly #endpointFrom: string | undefined;
  readonly #proxy: S3Proxy | undefined;

  /** @param prefix the start of all keys, for remedies */
  constructor(bucket: S3BucketSettings, prefix: string, options: S3ClientOptions) {
    const region = regionOf(bucket);
    const requestHandler = new S3RequestHandler(bucket, options.idleTimeoutMs);
    const read = readerOf(bucket, requestHandler);
    this.#credentials = read === null ? null : new CredentialsSource(read, options.credentialsTimes);
    this.#credentialsFrom = bucket.credentialsFrom;
    this.#endpointFrom = bucket.endpointFrom;
    this.#proxy = bucket.proxy;
    this.place = { bucket: bucket.name, prefix, endpoint: bucket.endpoint, region };
    this.client = new S3Client({
      ...(region === undefined ? {} : { region }),
      ...(bucket.endpoint === undefined ? {} : { endpoint: bucket.endpoint }),
      credentials: this.#credentials?.provide ?? identityOf(bucket.credentials),
      forcePathStyle: bucket.forcePathStyle,
      ...addressOf(bucket),
      maxAttempts: options.attemptsMax,
      // The configuration has decided on the endpoint, AWS_ENDPOINT_URL included.
      ignoreConfiguredEndpointUrls: true,
      // The sink sends the CRC-32 itself. Checksums of the SDK would turn streams into aws-chunked bodies.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      customUserAgent: 'sink-aws-s3',
      // The errors contain what the SDK would log, and the sink logs JSON only.
      logger: silent,
      requestHandler,
    });
  }

  /**
   * Classifies the error of a request. If the credentials may be at fault, the next request reads them again.
   * @param head whether the request was a HEAD
   * @param prefix the start of the keys of such objects
   */
  classify(error: unknown, head = false, prefix = this.place.prefix): Failure {
    const failure = this.#classify(error, head, this.placeOfPrefix(prefix));
    const { remedy } = failure;
    if (remedy === undefined || this.#endpointFrom === undefined) return failure;
    return { ...failure, remedy: remedy.replaceAll('`endpoint`', `\`${this.#endpointFrom}\``) };
  }

  /** The same place, with another start of keys. */
  placeOfPrefix(prefix: string): S3Place {
    return { ...this.place, prefix };
  }

  #classify(error: unknown, head: boolean, place: S3Place): Failure {
    const from = this.#credentialsFrom ?? 'the AWS environment, a profile or a role';
    if (error instanceof CredentialsUnavailable) {
      return this.#behindProxy(classifyUnavailable(error, from, place), error.cause);
    }
    const failure = classifyS3Failure(error, place, head);
    const mayBeRenewed = refusesCredentials(failure) && this.#credentials?.refused() === true;
    const named = this.#credentialsFrom === undefined ? failure : namingSource(failure, from);
    const isSoonOver = mayBeRenewed && failure.code === 'expired_token';
    return this.#behindProxy(isSoonOver ? expiredInUse(named) : named, error);
  }

  #behindProxy(failure: Failure, error: unknown): Failure {
    return this.#proxy === undefined ? failure : withProxy(failure, error, this.#proxy);
  }

  close(): void {
    this.client.destroy();
  }
}

function regionOf({ region, endpoint }: S3BucketSettings): string | undefined {
  return region ?? (endpoint === undefined ? undefined : 'us-east-1');
}

/** What is absent is as the environment of AWS says. */
function addressOf({ useFips, useDualstack, accelerate }: S3BucketSettings) {
  return {
    ...(useFips === undefined ? {} : { useFipsEndpoint: useFips }),
    ...(useDualstack === undefined ? {} : { useDualstackEndpoint: useDualstack }),
    ...(accelerate === undefined ? {} : { useAccelerateEndpoint: accelerate }),
  };
}

const silent = { debug: ignore, info: ignore, warn: ignore, error: ignore };

function ignore(): void {
  // Nothing.
}
