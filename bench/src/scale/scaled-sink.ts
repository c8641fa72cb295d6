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
import { SERVICES, type ServiceName } from '../sink/processes.ts';
import { type CpuShares, childrenOf } from './cpu-share.ts';

/** Small objects: an upload is to be work too. */
export const SETTINGS = {
  SINK_COMPRESSION: 'gzip',
  SINK_FLUSH_SIZE: '1000',
  SINK_SCHEDULED_INTERVAL: '5s',
  SINK_LOG_LEVEL: 'warn',
};
const REDIS_MAXMEMORY = '3gb';
const MAIN = join(import.meta.dirname, '../../../apps/sink/src/main.ts');
const BUCKET = { name: 'bench', accessKeyId: 'AKIDBENCH', secretAccessKey: 'bench-secret' };
const COUNTERS: Readonly<Record<ServiceName, string>> = {
  ingest: 'sink_ingest_events_accepted_total',
  batcher: 'sink_segment_events_sealed_total',
  uploader: 'sink_uploaded_events_total',
};

export interface Shape {
  readonly counts: Readonly<Record<ServiceName, number>>;
  /** Processes in each ingest. */
  readonly workers: number;
  readonly lanes: number;
  /** Cores each process of a service gets; a service that is not named here takes what it needs. */
  readonly cores: Partial<Readonly<Record<ServiceName, number>>>;
}

interface Service {
  readonly kind: ServiceName;
  readonly url: string;
  readonly opsUrl: string;
  readonly process: ManagedProcess;
}

/** Any number of each service on one Redis and one S3 stand-in, neither of which is held to a share. */
export class ScaledSink {
  readonly #redis: RedisServer;
  readonly #s3: S3Process;
  readonly #shape: Shape;
  readonly #services: Service[] = [];

  private constructor(redis: RedisServer, s3: S3Process, shape: Shape) {
    this.#redis = redis;
    this.#s3 = s3;
    this.#shape = shape;
  }

  static async start(shape: Shape): Promise<ScaledSink> {
    const [redis, s3] = await Promise.all([
      startRedis({ args: ['--maxmemory', REDIS_MAXMEMORY] }),
      startS3Process({ bucket: BUCKET.name, ...BUCKET }),
    ]);
    const sink = new ScaledSink(redis, s3, shape);
    const env = {
      ...SETTINGS,
      SINK_HOST: '127.0.0.1',
      SINK_LANES: String(shape.lanes),
      SINK_INGEST_WORKERS: String(shape.workers),
      SINK_DATA_DIR: temporaryDirectory('scale'),
      SINK_REDIS_URL: redis.url,
      SINK_BUCKET: BUCKET.name,
      SINK_REGION: 'us-east-1',
      SINK_ENDPOINT: s3.url,
      SINK_AWS_ACCESS_KEY_ID: BUCKET.accessKeyId,
      SINK_AWS_SECRET_ACCESS_KEY: BUCKET.secretAccessKey,
    };
    const kinds = SERVICES.flatMap((kind) => Array.from({ length: shape.counts[kind] }, () => kind));
    for (const kind of kinds) sink.#services.push(await startService(kind, env));
    await Promise.all(sink.#services.map((service) => ready(service, shape.workers)));
    return sink;
  }

  /** From here on; to be called when all is warm: starting and compiling inside of a small share take minutes. */
  hold(shares: CpuShares): void {
    const { cores: shareOf, workers } = this.#shape;
    for (const { kind, process } of this.#services) {
      const cores = shareOf[kind];
      if (cores === undefined) continue;
      // The parent of workers takes no events, and is not held.
      const pids = kind === 'ingest' && workers > 1 ? childrenOf(process.pid) : [process.pid];
      for (const pid of pids) shares.hold(pid, cores);
    }
  }

  get urls(): readonly string[] {
    return this.#services.filter(({ kind }) => kind === 'ingest').map(({ url }) => url);
  }

  /** Events that all processes of each service have done with so far. */
  async done(): Promise<Readonly<Record<ServiceName, number>>> {
    const sums = { ingest: 0, batcher: 0, uploader: 0 };
    await Promise.all(
      this.#services.map(async ({ kind, opsUrl }) => {
        const text = await (await fetch(`${opsUrl}/metrics`)).text();
        for (const [, value] of text.matchAll(new RegExp(`^${COUNTERS[kind]}(?:\\{.*\\})? (\\S+)$`, 'gm'))) {
          sums[kind] += Number(value);
        }
      }),
    );
    return sums;
  }

  /** At once: what is left would take a slow service minutes. */
  async stop(): Promise<void> {
    const pids = this.#services.flatMap(({ process }) => childrenOf(process.pid));
    await Promise.all(this.#services.map(({ process }) => process.kill('SIGKILL')));
    for (const pid of pids) killIfThere(pid);
    await Promise.all([this.#redis.stop(), this.#s3.stop()]);
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It went with its parent.
  }
}

async function startService(kind: ServiceName, env: Readonly<Record<string, string>>): Promise<Service> {
  const [port, opsPort] = [String(await freePort()), String(await freePort())];
  return {
    kind,
    url: `http://127.0.0.1:${port}/`,
    opsUrl: `http://127.0.0.1:${opsPort}`,
    process: await startProcess({
      command: process.execPath,
      args: [MAIN, kind],
      env: { ...env, SINK_PORT: port, [`SINK_${kind.toUpperCase()}_OPS_PORT`]: opsPort },
    }),
  };
}

async function ready({ kind, opsUrl, process }: Service, workers: number): Promise<void> {
  await eventually(
    async () => {
      const response = await fetch(`${opsUrl}/readyz`);
      if (!response.ok) throw new Error(`${kind} is not ready: ${await response.text()}\n${process.output()}`);
      if (kind !== 'ingest' || workers === 1) return;
      const text = await (await fetch(`${opsUrl}/metrics`)).text();
      // Each worker says what a 202 rests on as soon as it takes events; with fewer, the histogram is not whole either.
      if (!text.includes('sink_durability_info{')) throw new Error('no worker takes events yet');
    },
    { timeoutMs: 30_000 },
  );
}
