import type { HostPort } from './addresses.ts';
import type { ProducerSettings } from './producers.ts';
import type { RouteSettings } from './resolve-routes.ts';
import type { PlainConfig, SettingPath } from './settings.ts';

/** Static credentials. Without them the AWS default chain is used. */
export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** A role that is assumed with the credentials at hand. */
export interface AwsRole {
  readonly arn: string;
  readonly sessionName: string;
  readonly externalId?: string;
}

/** The credentials for a bucket. */
export interface S3Credentials {
  readonly credentials?: AwsCredentials;
  /**
   * If files hold a part of `credentials`: reads these again, as they may have been replaced.
   * @throws ConfigError while a file is missing or wrong
   */
  readonly readCredentials?: () => AwsCredentials;
  /** The profile of the shared files of AWS that credentials come from, and nowhere else. */
  readonly profile?: string;
  readonly role?: AwsRole;
  /** Where credentials come from, for messages: keys, or the places of the AWS default chain. */
  readonly credentialsFrom: string;
}

/** The address of an S3-compatible server. */
export interface Endpoint {
  readonly url: string;
  /** The key or variable that gives it, for messages. */
  readonly from: string;
}

/** Proxies for S3 and STS, with their credentials. */
export interface Proxy {
  readonly http?: string;
  readonly https?: string;
  /** Hosts that are reached directly, as Node's agents read them. */
  readonly noProxy: string;
  /** For messages: without credentials, with the key or variable that gives it. */
  readonly shown: string;
}

/** Objects are stored in a bucket of S3 or of a server with its protocol. */
interface S3Bucket extends S3Credentials {
  readonly kind: 's3';
  readonly name: string;
  readonly region?: string;
  /** Absent: AWS itself. */
  readonly endpoint?: string;
  /** The key or variable that gives `endpoint`, for messages. */
  readonly endpointFrom?: string;
  readonly forcePathStyle: boolean;
  /** Absent: as the environment of AWS says. */
  readonly useFips?: boolean;
  readonly useDualstack?: boolean;
  readonly accelerate?: boolean;
  readonly proxy?: Proxy;
  /** Reads the certificates (PEM) of authorities that are trusted beside the usual ones. */
  readonly readCa?: () => string;
}

/** Objects are stored as plain files in an absolute directory. */
interface FileBucket {
  readonly kind: 'file';
  readonly directory: string;
}

export type BucketSettings = S3Bucket | FileBucket;

/** TLS to Redis. Certificates are PEM text, already read from their files. */
export interface RedisTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly serverName?: string;
  /** False accepts any certificate. */
  readonly verify: boolean;
}

/** How Redis is reached. */
export type RedisTarget =
  | ({ readonly kind: 'single' } & HostPort)
  | { readonly kind: 'socket'; readonly path: string }
  | {
      readonly kind: 'sentinel';
      readonly sentinels: readonly HostPort[];
      /** The name of the monitored master. */
      readonly masterName: string;
      readonly username?: string;
      readonly password?: string;
      readonly tls: boolean;
    }
  | { readonly kind: 'cluster'; readonly nodes: readonly HostPort[] };

/** How to connect to a Redis or Valkey. */
export interface RedisSettings {
  readonly target: RedisTarget;
  readonly username?: string;
  readonly password?: string;
  /** Always 0 in a Cluster. */
  readonly db: number;
  /** Null: plain TCP (or a socket). */
  readonly tls: RedisTls | null;
  /** Address that a Cluster or Sentinel announces ("host:port") -> address to connect to. */
  readonly natMap: Readonly<Record<string, HostPort>>;
}

/**
 * The whole configuration, parsed once at start and deeply frozen. Only `loadConfig` makes one. Most members are keys
 * of settings.ts in camelCase (`PlainConfig`); those below are put together from several keys.
 */
export interface SinkConfig extends PlainConfig {
  /** The path of the configuration file that was read; null: there is none. */
  readonly configFile: string | null;
  /** Absolute. */
  readonly dataDir: string;
  readonly bucket: BucketSettings;
  /** The address of the ports for health and metrics. */
  readonly opsHost: string;
  /** Who may send events; empty: whoever reaches the port. */
  readonly producers: readonly ProducerSettings[];
  /** Where events go that a filter chooses: each takes the first route that matches. */
  readonly routes: readonly RouteSettings[];
  /** Routes that are gone, with where their events go: a route that stores, or the default one. */
  readonly routesRetired: Readonly<Record<string, string>>;
  /** The way to the keys of token issuers: the proxies of the environment. `proxy_url` is for S3. */
  readonly keysProxy?: Proxy;
  /** Absent with `none`, and for the default of the codec. */
  readonly compressionLevel?: number;
  /** Whether each partition's objects are listed in an object of its own. */
  readonly manifests: boolean;
  readonly lenientContentType: boolean;
  /** Null: the sink runs a Redis of its own. */
  readonly redis: RedisSettings | null;
  /**
   * `redis` with what its files contain now: `redis.url_file`, the files of passwords and of TLS.
   * @throws ConfigError while a file is missing or wrong
   */
  readonly readRedisAgain: () => RedisSettings | null;
  /** The backlog in Redis, in bytes, above which it moves to the spool; null: half of what Redis may hold. */
  readonly spillAtBytes: number | 'never' | null;
  /** The keys that are set, and do not have their defaults. */
  readonly given: readonly SettingPath[];
  /** Values of secret keys, which no log line may contain. */
  readonly secrets: readonly string[];
  /** The values that files of secrets had when they were read again; grows while the sink runs. */
  readonly secretsReadAgain: ReadonlySet<string>;
  /** What is allowed and probably not meant; one sentence each, without a full stop. */
  readonly warnings: readonly string[];
}

export type Durability = SinkConfig['durability'];
