import { join } from 'node:path';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { laneKeys } from '@sink/lane';
import {
  eventually,
  freePort,
  type ManagedProcess,
  type Proxy,
  type RedisServer,
  type S3Options,
  type S3Process,
  startProcess,
  startProxy,
  startRedis,
  startS3Process,
  temporaryDirectory,
} from '@sink/testing';
import { Redis } from 'ioredis';

/** Runs a service as the image does, with its arguments for Node (apps/sink/src/supervisor/service-command.ts). */
const MAIN = join(import.meta.dirname, '../../../apps/sink/src/main.ts');
const BUCKET = 'mybucket';
const CREDENTIALS = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};

export type ServiceKind = 'ingest' | 'batcher' | 'uploader';

export interface PipelineOptions {
  readonly ingests?: number;
  readonly batchers?: number;
  readonly uploaders?: number;
  /** The environment of every service: `SINK_FLUSH_SIZE` and others. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Puts a proxy of its own on each connection of each service: from the producers, to Redis, to S3. */
  readonly proxied?: boolean;
  /** The directory of the services' spool; default: a temporary directory. */
  readonly dataDir?: string;
  /** How the services find a Redis other than the pipeline's own: the environment in place of SINK_REDIS_URL. */
  readonly redisAt?: Readonly<Record<string, string>>;
  /** Called before any service starts. */
  readonly prepare?: (redis: RedisServer) => Promise<void>;
  /** The configuration file of every service: keys in it are not in their environment, which would override it. */
  readonly file?: { readonly path: string; readonly keys: readonly string[] };
  /** Further buckets on the same server, and whether objects may be locked there. */
  readonly s3?: Pick<S3Options, 'otherBuckets' | 'objectLock'>;
  /** The program of the service with this name; absent, or undefined: that of this checkout. */
  readonly mainOf?: (name: string) => string | undefined;
  /** Further environment for the service with this name. */
  readonly environmentOf?: (name: string) => Readonly<Record<string, string>>;
}

/** The connections of a service that can be disturbed, when the pipeline has proxies. */
export type Way = 'producers' | 'redis' | 's3';

/** One service process. After a kill it restarts with the same ports. */
export interface Service {
  readonly name: string;
  readonly kind: ServiceKind;
  /** The address for producers (ingest). */
  readonly url: string;
  readonly opsUrl: string;
  readonly proxies: Partial<Record<Way, Proxy>>;
  readonly environment: Readonly<Record<string, string>>;
  process: ManagedProcess;
}

/** The whole sink as real processes: a Redis with fsync, an S3 server, and any number of each service. */
export class Pipeline {
  readonly redis: RedisServer;
  readonly s3: S3Process;
  readonly services: Service[] = [];
  readonly dataDir: string;
  readonly #options: PipelineOptions;
  readonly sinkName = 'e2e';

  private constructor(redis: RedisServer, s3: S3Process, options: PipelineOptions) {
    this.redis = redis;
    this.s3 = s3;
    this.dataDir = options.dataDir ?? temporaryDirectory('pipeline');
    this.#options = options;
  }

  static async start(options: PipelineOptions = {}): Promise<Pipeline> {
    const [redis, s3] = await Promise.all([
      startRedis(),
      startS3Process({ bucket: BUCKET, ...CREDENTIALS, ...options.s3 }),
    ]);
    const pipeline = new Pipeline(redis, s3, options);
    await options.prepare?.(redis);
    const counts = { ingest: options.ingests ?? 1, batcher: options.batchers ?? 1, uploader: options.uploaders ?? 1 };
    for (const kind of ['batcher', 'uploader', 'ingest'] as const) {
      for (let i = 0; i < counts[kind]; i++) await pipeline.add(kind);
    }
    await Promise.all(pipeline.services.map((service) => ready(service)));
    return pipeline;
  }

  async add(kind: ServiceKind): Promise<Service> {
    const [port, opsPort] = [await freePort(), await freePort()];
    const proxies = this.#options.proxied === true ? await this.#startProxies(kind, port) : {};
    const name = `${kind}-${this.of(kind).length + 1}`;
    const environment = {
      ...this.#environment(kind, { port, opsPort, proxies }),
      ...this.#options.environmentOf?.(name),
    };
    const service: Service = {
      name,
      kind,
      url: `${'SINK_TLS_CERT_FILE' in environment ? 'https' : 'http'}://127.0.0.1:${proxies.producers?.port ?? port}`,
      opsUrl: `http://127.0.0.1:${opsPort}`,
      proxies,
      environment,
      process: await this.#spawn({ kind, name, environment }),
    };
    this.services.push(service);
    return service;
  }

  of(kind: ServiceKind): Service[] {
    return this.services.filter((service) => service.kind === kind);
  }

  /** Kills a service with SIGKILL and restarts it at once, as a supervisor does. */
  async crash(service: Service): Promise<void> {
    await service.process.kill('SIGKILL');
    await this.revive(service);
  }

  /** Restarts a service that has exited. */
  async revive(service: Service): Promise<void> {
    service.process = await this.#spawn(service);
  }

  /** Resolves when nothing is left to move: no chunk, no record, no counter. */
  async drained(timeoutMs = 60_000, lanes = 1): Promise<void> {
    const client = new Redis(this.redis.url);
    try {
      await eventually(
        async () => {
          for (let lane = 0; lane < lanes; lane++) {
            const left = await this.leftInRedis(client, lane);
            if (Object.values(left).some((count) => count !== 0))
              throw new Error(`still in Redis: ${JSON.stringify(left)}`);
          }
        },
        { timeoutMs },
      );
    } finally {
      client.disconnect();
    }
  }

  async leftInRedis(client: Redis, lane: number): Promise<Record<string, number>> {
    const keys = laneKeys(this.sinkName, lane);
    const backlog = await client.hvals(keys.backlog);
    return {
      chunks: await client.xlen(keys.chunks),
      taken: await client.hlen(keys.taken),
      left: await client.hlen(keys.left),
      records: await client.hlen(keys.records),
      spilled: await client.hlen(keys.spilled),
      backlog: backlog.filter((value) => Number(value) !== 0).length,
    };
  }

  /** The lines of all objects, by key. */
  async objects(): Promise<Map<string, string[]>> {
    const objects = await this.s3.control.objects();
    const events = objects.filter(({ key }) => !key.includes('/_'));
    return new Map(events.map(({ key, body }) => [key, plain(key, body).toString('utf8').split('\n').slice(0, -1)]));
  }

  /** Stops the services in order with SIGTERM, as a supervisor does. */
  async stopServices(): Promise<void> {
    for (const kind of ['ingest', 'batcher', 'uploader'] as const) {
      await Promise.all(this.of(kind).map(({ process }) => process.kill('SIGTERM')));
    }
  }

  async stop(): Promise<void> {
    await this.stopServices();
    const proxies = this.services.flatMap((service) => Object.values(service.proxies));
    await Promise.all([this.redis.stop(), this.s3.stop(), ...proxies.map((proxy) => proxy.close())]);
  }

  async #startProxies(kind: ServiceKind, port: number): Promise<Partial<Record<Way, Proxy>>> {
    const host = '127.0.0.1';
    return {
      redis: await startProxy(this.redis),
      ...(kind === 'ingest' ? { producers: await startProxy({ host, port }) } : {}),
      ...(kind === 'uploader' ? { s3: await startProxy({ host, port: this.s3.port }) } : {}),
    };
  }

  #environment(
    kind: ServiceKind,
    { port, opsPort, proxies }: { port: number; opsPort: number; proxies: Service['proxies'] },
  ): Record<string, string> {
    const throughProxy = (url: string, proxy: Proxy | undefined): string => {
      if (proxy === undefined) return url;
      const there = new URL(url);
      there.port = String(proxy.port);
      return there.href.replace(/\/$/, '');
    };
    const environment: Record<string, string> = {
      SINK_HOST: '127.0.0.1',
      SINK_PORT: String(port),
      [`SINK_${kind.toUpperCase()}_OPS_PORT`]: String(opsPort),
      SINK_SINK_NAME: this.sinkName,
      SINK_DATA_DIR: this.dataDir,
      ...(this.#options.redisAt ?? { SINK_REDIS_URL: throughProxy(this.redis.url, proxies.redis) }),
      SINK_BUCKET: BUCKET,
      SINK_REGION: 'us-west-2',
      SINK_ENDPOINT: throughProxy(this.s3.url, proxies.s3),
      SINK_AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
      SINK_AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
      SINK_SCHEDULED_INTERVAL: '1',
      SINK_LEASE: '2s',
      // One worker on every machine, so that a crash is that of the process that accepts events.
      SINK_INGEST_WORKERS: '1',
      ...this.#options.settings,
    };
    const { file } = this.#options;
    if (file === undefined) return environment;
    for (const key of file.keys) Reflect.deleteProperty(environment, `SINK_${key.toUpperCase()}`);
    return { ...environment, CONNECTOR_CONFIG: file.path };
  }

  #spawn({ kind, name, environment: env }: Pick<Service, 'kind' | 'name' | 'environment'>): Promise<ManagedProcess> {
    const main = this.#options.mainOf?.(name) ?? MAIN;
    return startProcess({ command: process.execPath, args: [main, kind], env });
  }
}

/** The body of an object without its compression. */
function plain(key: string, body: Buffer): Buffer {
  if (key.endsWith('.gz')) return gunzipSync(body);
  return key.endsWith('.zst') ? zstdDecompressSync(body) : body;
}

async function ready(service: Service): Promise<void> {
  await eventually(
    async () => {
      const response = await fetch(`${service.opsUrl}/readyz`).catch((error: unknown) => {
        throw new Error(`${service.kind} does not answer\n${service.process.output()}`, { cause: error });
      });
      if (!response.ok)
        throw new Error(`${service.kind} is not ready: ${await response.text()}\n${service.process.output()}`);
    },
    { timeoutMs: 60_000 },
  );
}
