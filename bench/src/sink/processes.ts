import { join } from 'node:path';
import {
  eventually,
  freePort,
  type ManagedProcess,
  type RedisServer,
  type S3Process,
  startProcess,
  startRedis,
  startS3Process,
  temporaryDirectory,
} from '@sink/testing';
import { type Usage, usageOf } from './usage.ts';

export const SERVICES = ['ingest', 'batcher', 'uploader'] as const;
export type ServiceName = (typeof SERVICES)[number];

/** What differs from the defaults of the sink, as it is written into the results. */
export const SETTINGS = {
  SINK_COMPRESSION: 'gzip',
  SINK_FLUSH_SIZE: '100000',
  SINK_SCHEDULED_INTERVAL: '5s',
  SINK_LOG_LEVEL: 'warn',
  // Figures are those of one process, on any machine.
  SINK_INGEST_WORKERS: '1',
};
/** For the processes that hold a share of the sink's CPU time; `fsync always`, append-only and noeviction besides. */
const REDIS_MAXMEMORY = '2gb';

export const REPOSITORY = join(import.meta.dirname, '../../..');
const BUCKET = { name: 'bench', accessKeyId: 'AKIDBENCH', secretAccessKey: 'bench-secret' };

/** The server that everything is held against. */
export async function startBareServer(): Promise<{ url: string; process: ManagedProcess }> {
  const script = join(import.meta.dirname, 'bare-main.ts');
  const server = await startProcess({ command: process.execPath, args: [script] });
  const [, url = ''] = await server.waitFor(/listening on (\S+)/);
  return { url, process: server };
}

interface Service {
  readonly process: ManagedProcess;
  readonly opsUrl: string;
}

export interface SinkOptions {
  /** Where each service leaves a CPU profile when it stops; null: no profiles. */
  readonly profileDirectory: string | null;
  /** Environment of the services on top of SETTINGS. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  readonly redisMaxmemory?: string;
}

/** The whole sink, one process a service, with a Redis that fsyncs every append, and an S3 that is not counted in. */
export class SinkProcesses {
  /** Where ingest takes events. */
  readonly url: string;
  readonly s3: S3Process;
  readonly #redis: RedisServer;
  readonly #services: Readonly<Record<ServiceName, Service>>;

  private constructor(url: string, redis: RedisServer, s3: S3Process, services: Record<ServiceName, Service>) {
    this.url = url;
    this.#redis = redis;
    this.s3 = s3;
    this.#services = services;
  }

  static async start(options: SinkOptions): Promise<SinkProcesses> {
    const { profileDirectory, settings, redisMaxmemory = REDIS_MAXMEMORY } = options;
    const [redis, s3, port] = await Promise.all([
      startRedis({ args: ['--maxmemory', redisMaxmemory] }),
      startS3Process({ bucket: BUCKET.name, ...BUCKET }),
      freePort(),
    ]);
    const env = {
      ...SETTINGS,
      ...settings,
      SINK_HOST: '127.0.0.1',
      SINK_PORT: String(port),
      SINK_DATA_DIR: temporaryDirectory('bench'),
      SINK_REDIS_URL: redis.url,
      SINK_BUCKET: BUCKET.name,
      SINK_REGION: 'us-east-1',
      SINK_ENDPOINT: s3.url,
      SINK_AWS_ACCESS_KEY_ID: BUCKET.accessKeyId,
      SINK_AWS_SECRET_ACCESS_KEY: BUCKET.secretAccessKey,
    };
    const [ingest, batcher, uploader] = await Promise.all(
      SERVICES.map((name) => startService(name, env, profileDirectory)),
    );
    if (!ingest || !batcher || !uploader) throw new Error('starting the sink: a service is missing');
    return new SinkProcesses(`http://127.0.0.1:${port}/`, redis, s3, { ingest, batcher, uploader });
  }

  /** Of the sink's own processes, Redis among them. */
  usage(): Record<ServiceName | 'redis', Usage> {
    const { ingest, batcher, uploader } = this.#services;
    return {
      ingest: usageOf(ingest.process.pid),
      batcher: usageOf(batcher.process.pid),
      uploader: usageOf(uploader.process.pid),
      redis: usageOf(this.#redis.pid),
    };
  }

  /** Events that ingest has answered with a 202 since it started, whether or not the producer still was there. */
  accepted(): Promise<number> {
    return counter(this.#services.ingest, 'sink_ingest_events_accepted_total');
  }

  /** Events in objects that were uploaded and committed since the start. */
  uploaded(): Promise<number> {
    return counter(this.#services.uploader, 'sink_uploaded_events_total');
  }

  /** The end of what each service logged: warnings and errors. */
  logs(): string {
    return SERVICES.map((name) => `${name}:\n${this.#services[name].process.output().slice(-2_000)}`).join('\n');
  }

  /** For those who look into Redis, or fill it, beside the services. */
  get redisUrl(): string {
    return this.#redis.url;
  }

  pid(name: ServiceName): number {
    return this.#services[name].process.pid;
  }

  /** A service that does nothing until it is let go on: what comes in meanwhile is its backlog. */
  async whilePaused<T>(names: readonly ServiceName[], action: () => Promise<T>): Promise<T> {
    for (const name of names) this.#services[name].process.signal('SIGSTOP');
    try {
      return await action();
    } finally {
      for (const name of names) this.#services[name].process.signal('SIGCONT');
    }
  }

  /** In the order in which each empties what the next one takes. */
  async stop(): Promise<void> {
    for (const name of SERVICES) await this.#services[name].process.kill('SIGTERM');
    await Promise.all([this.#redis.stop(), this.s3.stop()]);
  }
}

async function startService(
  name: ServiceName,
  env: Readonly<Record<string, string>>,
  profileDirectory: string | null,
): Promise<Service> {
  const opsPort = await freePort();
  const profiling =
    profileDirectory === null
      ? {}
      : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profileDirectory} --cpu-prof-name=${name}.cpuprofile` };
  const service: Service = {
    opsUrl: `http://127.0.0.1:${opsPort}`,
    process: await startProcess({
      command: process.execPath,
      // The image's way to run a service, which also says how Node is to run it.
      args: [join(REPOSITORY, 'apps/sink/src/main.ts'), name],
      env: { ...env, ...profiling, [`SINK_${name.toUpperCase()}_OPS_PORT`]: String(opsPort) },
    }),
  };
  await eventually(
    async () => {
      const response = await fetch(`${service.opsUrl}/readyz`);
      if (!response.ok) throw new Error(`${name} is not ready: ${await response.text()}\n${service.process.output()}`);
    },
    { timeoutMs: 20_000 },
  );
  return service;
}

async function counter({ opsUrl }: Service, name: string): Promise<number> {
  const metrics = await (await fetch(`${opsUrl}/metrics`)).text();
  const value = new RegExp(`^${name} (\\S+)$`, 'm').exec(metrics)?.[1];
  if (value === undefined) throw new Error(`reading ${name} from ${opsUrl}: there is no such metric`);
  return Number(value);
}
