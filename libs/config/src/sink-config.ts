import type { RedisSettings } from './redis-settings.ts';

/** What the log keeps: pino's levels. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/**
 * What "stored" means before a producer gets its 2xx.
 * `fsync`: in Redis' append-only file and fsynced; `everysec`: at most about a second of events can be lost with the
 * machine; `none`: nothing is asked of Redis; `managed`: the operator vouches for a Redis whose settings can't be seen.
 */
export type Durability = 'fsync' | 'everysec' | 'none' | 'managed';

/** Static credentials. Without them the AWS default chain is used. */
export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** Objects go to a bucket of S3 or of a server that speaks its protocol. */
export interface S3Bucket {
  readonly kind: 's3';
  readonly name: string;
  /** Absent: the AWS default chain finds it (profile). */
  readonly region?: string;
  /** Absent: AWS itself. */
  readonly endpoint?: string;
  readonly forcePathStyle: boolean;
  readonly credentials?: AwsCredentials;
}

/** Objects go to plain files below an absolute directory. */
export interface FileBucket {
  readonly kind: 'file';
  readonly directory: string;
}

/** Where objects go. */
export type BucketSettings = S3Bucket | FileBucket;

/**
 * The whole configuration, parsed once at start and deeply frozen. Only `loadConfig` makes one.
 * Meaning, limits and defaults of each key: docs/configuration.md.
 */
export interface SinkConfig {
  readonly port: number;
  readonly host: string;
  /** Processes that take events; null: by cores. */
  readonly ingestWorkers: number | null;
  readonly sinkName: string;
  readonly lanes: number;
  /** Absolute. */
  readonly dataDir: string;
  readonly bucket: BucketSettings;
  readonly prefix: string;
  readonly ifNoneMatch: 'auto' | 'off';
  readonly compression: 'none' | 'gzip' | 'zstd';
  /** Absent with `none`, and where the codec's own default is wanted. */
  readonly compressionLevel?: number;
  /** Each partition's objects are listed in an object of its own. */
  readonly manifests: boolean;
  readonly flushSize: number;
  readonly flushBytes: number;
  readonly scheduledIntervalMs: number;
  readonly timeInterval: 'HOURLY' | 'DAILY';
  /** Null: the sink runs a Redis of its own. */
  readonly redis: RedisSettings | null;
  /** Port of the sink's own Redis; 0: a free one. */
  readonly redisPort: number;
  readonly durability: Durability;
  /** How many replicas must have an append before it counts as stored. */
  readonly replicas: number;
  readonly holdMaxMs: number;
  /** Null: derived from Redis' maxmemory. */
  readonly maxBacklogBytes: number | null;
  /** Bytes of the backlog in Redis from which on it goes to the spool; null: half of what Redis may hold. */
  readonly spillAtBytes: number | 'never' | null;
  /** Null: no limit but the disk's. */
  readonly maxSpoolBytes: number | null;
  /** Null: 1 GiB, but at most a tenth of the disk. */
  readonly diskReserveBytes: number | null;
  readonly receiptsMax: number;
  /** 0: nothing is dropped as a duplicate. */
  readonly dedupeWindowMs: number;
  readonly maxFingerprints: number;
  readonly maxBodyBytes: number;
  readonly maxHeaderBytes: number;
  readonly maxInFlightBytes: number;
  readonly maxOpenFiles: number;
  readonly leaseMs: number;
  readonly uploadConcurrency: number;
  readonly uploadTimeoutMs: number;
  readonly ingestOpsPort: number;
  readonly batcherOpsPort: number;
  readonly uploaderOpsPort: number;
  readonly stopGraceMs: number;
  readonly logLevel: LogLevel;
}
