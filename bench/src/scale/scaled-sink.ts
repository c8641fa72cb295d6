import { eventually } from '@sink/testing';
import { SinkProcesses } from '../sink/processes.ts';
import { counted, type Service, SERVICES, type ServiceName } from '../sink/service.ts';
import { type CpuShares, childrenOf } from './cpu-share.ts';

/** Small objects: an upload is to be work too. */
export const SCALE_SETTINGS = { SINK_FLUSH_SIZE: '1000' };
const REDIS_MAXMEMORY = '3gb';
const WORKERS_READY_MAX_MS = 30_000;

export interface Shape {
  readonly counts: Readonly<Record<ServiceName, number>>;
  /** Processes in each ingest. */
  readonly workers: number;
  readonly lanes: number;
  /** Cores each process of a service gets; a service that is not named here takes what it needs. */
  readonly cores: Partial<Readonly<Record<ServiceName, number>>>;
}

/** Any number of each service on one Redis and one S3 stand-in, neither of which is held to a share. */
export class ScaledSink {
  readonly #sink: SinkProcesses;
  readonly #shape: Shape;

  private constructor(sink: SinkProcesses, shape: Shape) {
    this.#sink = sink;
    this.#shape = shape;
  }

  static async start(shape: Shape): Promise<ScaledSink> {
    const settings = {
      ...SCALE_SETTINGS,
      SINK_LANES: String(shape.lanes),
      SINK_INGEST_WORKERS: String(shape.workers),
      // Workers log that they take events; nothing logs each event.
      ...(shape.workers > 1 ? { SINK_LOG_LEVEL: 'info' } : {}),
    };
    const { counts } = shape;
    const sink = await SinkProcesses.start({
      ...{ profileDirectory: null, settings, redisMaxmemory: REDIS_MAXMEMORY, counts },
    });
    if (shape.workers > 1) await Promise.all(sink.of('ingest').map((ingest) => workersReady(ingest, shape.workers)));
    return new ScaledSink(sink, shape);
  }

  /** From here on; to be called when all is warm: starting and compiling inside of a small share take minutes. */
  hold(shares: CpuShares): void {
    const { cores: shareOf, workers } = this.#shape;
    for (const kind of SERVICES) {
      const cores = shareOf[kind];
      if (cores === undefined) continue;
      for (const { process } of this.#sink.of(kind)) {
        // The parent of workers takes no events, and is not held.
        const pids = kind === 'ingest' && workers > 1 ? childrenOf(process.pid) : [process.pid];
        for (const pid of pids) shares.hold(pid, cores);
      }
    }
  }

  get urls(): readonly string[] {
    return this.#sink.of('ingest').map(({ url }) => url);
  }

  /** Events that all processes of a service have done with so far. */
  done(kind: ServiceName): Promise<number> {
    return this.#sink.done(kind);
  }

  async stop(): Promise<void> {
    const workers = this.#sink.of('ingest').flatMap(({ process }) => childrenOf(process.pid));
    await this.#sink.kill();
    for (const pid of workers) killIfThere(pid);
  }
}

/** The parent is ready before its workers are, and one of them is before the others: until each takes connections. */
async function workersReady(ingest: Service, workers: number): Promise<void> {
  await eventually(
    async () => {
      const taking = new Set(
        [...ingest.process.output().matchAll(/"pid":(\d+),.*"msg":"taking events"/g)].map(([, pid]) => pid),
      );
      const counts = [taking.size, await counted(ingest, 'sink_ingest_workers')];
      if (counts.some((count) => count !== workers)) {
        throw new Error(`waiting for ${workers} workers [taking events, running: ${counts.join(', ')}]`);
      }
    },
    { timeoutMs: WORKERS_READY_MAX_MS },
  );
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It went with its parent.
  }
}
