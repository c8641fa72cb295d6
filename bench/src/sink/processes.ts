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

/** The interval after which a file that is not full is closed. The last events wait at least as long. */
export const SCHEDULED_INTERVAL_SECONDS = 5;
/** The settings that differ from the defaults of the sink. The results list them. */
export const SETTINGS = {
  SINK_COMPRESSION: 'gzip',
  SINK_FLUSH_SIZE: '100000',
  SINK_SCHEDULED_INTERVAL: `${SCHEDULED_INTERVAL_SECONDS}s`,
  SINK_LOG_LEVEL: 'warn',
  // One worker on every machine: the figures are those of one process.
  SINK_INGEST_WORKERS: '1',
};
/** Redis fsyncs every append and never evicts, as startRedis of libs/testing has it. */
const REDIS_MAXMEMORY = '2gb';

const COUNTERS: Readonly<Record<ServiceName, string>> = {
  ingest: 'sink_ingest_events_accepted_total',
  batcher: 'sink_segment_events_sealed_total',
  uploader: 'sink_uploaded_events_total',
};

/** The server that is the reference of all figures. */
export async function startBareServer(
  ...tlsFiles: readonly string[]
): Promise<{ url: string; process: ManagedProcess }> {
  const script = join(import.meta.dirname, 'bare-main.ts');
  const server = await startProcess({ command: process.execPath, args: [script, ...tlsFiles] });
  const [, url = ''] = await server.waitFor(/listening on (\S+)/);
  return { url, process: server };
}

export interface SinkOptions {
  /** The directory into which each service writes a CPU profile when it stops; null: no profiles. */
  readonly profileDirectory: string | null;
  /** The environment of the services, added to SETTINGS. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  readonly redisMaxmemory?: string;
  /** The number of processes of each service; default 1. */
  readonly counts?: Partial<Readonly<Record<ServiceName, number>>>;
}

/** The settings of the measured sink and Redis that differ from the defaults. */
export interface SinkSettings {
  readonly environment: Readonly<Record<string, string>>;
  readonly redisMaxmemory: string;
}

/** The whole sink, with a Redis that fsyncs every append and an S3 that does not count as part of the sink. */
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

  /** The address at which the first ingest accepts events. */
  get url(): string {
    const [first] = this.of('ingest');
    if (first === undefined) throw new Error('sending to the sink: there is no ingest');
    return first.url;
  }

  /** The processes of a service. */
  of(kind: ServiceName): readonly Service[] {
    return this.#services.filter((service) => service.kind === kind);
  }

  /** The usage of the sink's own processes, including Redis. Several processes of a service are summed up. */
  usage(): Record<ServiceName | 'redis', Usage> {
    const usage = (kind: ServiceName): Usage => sumOf(this.of(kind).map(({ process }) => usageOf(process.pid)));
    return {
      ingest: usage('ingest'),
      batcher: usage('batcher'),
      uploader: usage('uploader'),
      redis: usageOf(this.#redis.pid),
    };
  }

  /** The events that a service has finished since it started. */
  async done(kind: ServiceName): Promise<number> {
    const counts = await Promise.all(this.of(kind).map((service) => counted(service, COUNTERS[kind])));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** The events that ingest has answered with a 202 since it started, even if the producer did not read the answer. */
  accepted(): Promise<number> {
    return this.done('ingest');
  }

  /** The events in objects that were uploaded and committed since the start. */
  uploaded(): Promise<number> {
    return this.done('uploader');
  }

  /** The end of each service's log, which has warnings and errors. */
  logs(): string {
    return this.#services.map(({ kind, process }) => `${kind}:\n${process.output().slice(-2_000)}`).join('\n');
  }

  /** The address of Redis, to read or fill it beside the services. */
  get redisUrl(): string {
    return this.#redis.url;
  }

  /** Pauses services during `action`. What arrives meanwhile is their backlog. */
  async whilePaused<T>(kinds: readonly ServiceName[], action: () => Promise<T>): Promise<T> {
    const paused = kinds.flatMap((kind) => this.of(kind));
    for (const { process } of paused) process.signal('SIGSTOP');
    try {
      return await action();
    } finally {
      for (const { process } of paused) process.signal('SIGCONT');
    }
  }

  /** Stops the services in order, so that each leaves the next one all of its work. */
  async stop(): Promise<void> {
    for (const kind of SERVICES) await this.#end(kind, 'SIGTERM');
    await this.#endBacking();
  }

  /** Kills the services at once, because a slow service would take minutes for the rest. */
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
