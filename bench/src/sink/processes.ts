import { join } from 'node:path';
import {
  type ManagedProcess,
  type RedisServer,
  type S3Process,
  startProcess,
  startRedis,
  startS3Process,
} from '@sink/testing';
import { BUCKET, counted, type Service, SERVICES, type ServiceName, sinkEnvironment, startService } from './service.ts';
import { sumOf, type Usage, usageOf } from './usage.ts';

/** When a file that is not full is closed, and so how long the last events wait at least. */
export const SCHEDULED_INTERVAL_SECONDS = 5;
/** What differs from the defaults of the sink, as it is written into the results. */
export const SETTINGS = {
  SINK_COMPRESSION: 'gzip',
  SINK_FLUSH_SIZE: '100000',
  SINK_SCHEDULED_INTERVAL: `${SCHEDULED_INTERVAL_SECONDS}s`,
  SINK_LOG_LEVEL: 'warn',
  // Figures are those of one process, on any machine.
  SINK_INGEST_WORKERS: '1',
};
/** For the processes that hold a share of the sink's CPU time; `fsync always`, append-only and noeviction besides. */
const REDIS_MAXMEMORY = '2gb';

const COUNTERS: Readonly<Record<ServiceName, string>> = {
  ingest: 'sink_ingest_events_accepted_total',
  batcher: 'sink_segment_events_sealed_total',
  uploader: 'sink_uploaded_events_total',
};

/** The server that everything is held against. */
export async function startBareServer(): Promise<{ url: string; process: ManagedProcess }> {
  const script = join(import.meta.dirname, 'bare-main.ts');
  const server = await startProcess({ command: process.execPath, args: [script] });
  const [, url = ''] = await server.waitFor(/listening on (\S+)/);
  return { url, process: server };
}

export interface SinkOptions {
  /** Where each service leaves a CPU profile when it stops; null: no profiles. */
  readonly profileDirectory: string | null;
  /** Environment of the services on top of SETTINGS. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  readonly redisMaxmemory?: string;
  /** Processes of each service; one, where nothing is said. */
  readonly counts?: Partial<Readonly<Record<ServiceName, number>>>;
}

/** What differs from the defaults of the sink, and of Redis, in what was measured. */
export interface SinkSettings {
  readonly environment: Readonly<Record<string, string>>;
  readonly redisMaxmemory: string;
}

/** The whole sink, with a Redis that fsyncs every append, and an S3 that is not counted in. */
export class SinkProcesses {
  readonly s3: S3Process;
  readonly settings: SinkSettings;
  readonly #redis: RedisServer;
  readonly #services: readonly Service[];

  private constructor(s3: S3Process, settings: SinkSettings, redis: RedisServer, services: readonly Service[]) {
    this.s3 = s3;
    this.settings = settings;
    this.#redis = redis;
    this.#services = services;
  }

  static async start(options: SinkOptions): Promise<SinkProcesses> {
    const { profileDirectory, settings, redisMaxmemory = REDIS_MAXMEMORY, counts = {} } = options;
    const [redis, s3] = await Promise.all([
      startRedis({ args: ['--maxmemory', redisMaxmemory] }),
      startS3Process({ bucket: BUCKET.name, ...BUCKET }),
    ]);
    const differing = { ...SETTINGS, ...settings };
    const environment = { ...differing, ...sinkEnvironment({ redisUrl: redis.url, s3Url: s3.url }) };
    const kinds = SERVICES.flatMap((kind) => Array.from({ length: counts[kind] ?? 1 }, () => kind));
    const services = await Promise.all(kinds.map((kind) => startService(kind, environment, profileDirectory)));
    return new SinkProcesses(s3, { environment: differing, redisMaxmemory }, redis, services);
  }

  /** Where the first ingest takes events. */
  get url(): string {
    const [first] = this.of('ingest');
    if (first === undefined) throw new Error('sending to the sink: there is no ingest');
    return first.url;
  }

  /** The processes of a service. */
  of(kind: ServiceName): readonly Service[] {
    return this.#services.filter((service) => service.kind === kind);
  }

  /** Of the sink's own processes, Redis among them; of several of a service the sum. */
  usage(): Record<ServiceName | 'redis', Usage> {
    const usage = (kind: ServiceName): Usage => sumOf(this.of(kind).map(({ process }) => usageOf(process.pid)));
    return {
      ingest: usage('ingest'),
      batcher: usage('batcher'),
      uploader: usage('uploader'),
      redis: usageOf(this.#redis.pid),
    };
  }

  /** Events that a service has done with since it started. */
  async done(kind: ServiceName): Promise<number> {
    const counts = await Promise.all(this.of(kind).map((service) => counted(service, COUNTERS[kind])));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Events that ingest has answered with a 202 since it started, whether or not the producer still was there. */
  accepted(): Promise<number> {
    return this.done('ingest');
  }

  /** Events in objects that were uploaded and committed since the start. */
  uploaded(): Promise<number> {
    return this.done('uploader');
  }

  /** The end of what each service logged: warnings and errors. */
  logs(): string {
    return this.#services.map(({ kind, process }) => `${kind}:\n${process.output().slice(-2_000)}`).join('\n');
  }

  /** For those who look into Redis, or fill it, beside the services. */
  get redisUrl(): string {
    return this.#redis.url;
  }

  /** Services that do nothing until they are let go on: what comes in meanwhile is their backlog. */
  async whilePaused<T>(kinds: readonly ServiceName[], action: () => Promise<T>): Promise<T> {
    const paused = kinds.flatMap((kind) => this.of(kind));
    for (const { process } of paused) process.signal('SIGSTOP');
    try {
      return await action();
    } finally {
      for (const { process } of paused) process.signal('SIGCONT');
    }
  }

  /** In the order in which each empties what the next one takes. */
  async stop(): Promise<void> {
    for (const kind of SERVICES) await this.#end(kind, 'SIGTERM');
    await this.#endBacking();
  }

  /** At once: what is left would take a slow service minutes. */
  async kill(): Promise<void> {
    await Promise.all(SERVICES.map((kind) => this.#end(kind, 'SIGKILL')));
    await this.#endBacking();
  }

  async #end(kind: ServiceName, signal: NodeJS.Signals): Promise<void> {
    await Promise.all(this.of(kind).map(({ process }) => process.kill(signal)));
  }

  async #endBacking(): Promise<void> {
    await Promise.all([this.#redis.stop(), this.s3.stop()]);
  }
}
