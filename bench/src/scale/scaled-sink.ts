import { eventually } from '@sink/testing';
import { SinkProcesses } from '../sink/processes.ts';
import { counted, type Service, SERVICES, type ServiceName } from '../sink/service.ts';
import { type CpuShares, childrenOf } from './cpu-share.ts';

/** Objects are small, so that uploads take work too. */
export const SCALE_SETTINGS = { SINK_FLUSH_SIZE: '1000' };
const REDIS_MAXMEMORY = '3gb';
const WORKERS_READY_MAX_MS = 30_000;

export interface Shape {
  readonly counts: Readonly<Record<ServiceName, number>>;
  /** The number of processes in each ingest. */
  readonly workers: number;
  readonly lanes: number;
  /** The cores of each process of a service. A service that is not named here is not limited. */
  readonly cores: Partial<Readonly<Record<ServiceName, number>>>;
}

/** Any number of each service on one Redis and one S3 stand-in, which are not limited. */
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
      // Workers log that they accept events; no service logs each event.
      ...(shape.workers > 1 ? { SINK_LOG_LEVEL: 'info' } : {}),
    };
    const { counts } = shape;
    const sink = await SinkProcesses.start({
      ...{ profileDirectory: null, settings, redisMaxmemory: REDIS_MAXMEMORY, counts },
    });
    if (shape.workers > 1) await Promise.all(sink.of('ingest').map((ingest) => workersReady(ingest, shape.workers)));
    return new ScaledSink(sink, shape);
  }

  /** Sets the limits when everything is warm, because starting and compiling within a small share take minutes. */
  hold(shares: CpuShares): void {
    const { cores: shareOf, workers } = this.#shape;
    for (const kind of SERVICES) {
      const cores = shareOf[kind];
      if (cores === undefined) continue;
      for (const { process } of this.#sink.of(kind)) {
        // The parent of workers accepts no events and is not limited.
        const pids = kind === 'ingest' && workers > 1 ? childrenOf(process.pid) : [process.pid];
        for (const pid of pids) shares.hold(pid, cores);
      }
    }
  }

  get urls(): readonly string[] {
    return this.#sink.of('ingest').map(({ url }) => url);
  }

  /** The events that all processes of a service have finished. */
  done(kind: ServiceName): Promise<number> {
    return this.#sink.done(kind);
  }

  async stop(): Promise<void> {
    const workers = this.#sink.of('ingest').flatMap(({ process }) => childrenOf(process.pid));
    await this.#sink.kill();
    for (const pid of workers) killIfThere(pid);
  }
}

/**
 * Waits until each worker accepts connections: the parent is ready before its workers, one worker before the others.
 */
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
    // The process is gone with its parent.
  }
}
