import { availableParallelism } from 'node:os';
import type { SinkConfig } from '@sink/config';
import { type ServiceContext, usableMemoryBytes } from '@sink/runtime';

/** With more workers Redis and the batcher are the bottleneck. An operator with other figures sets `ingest.workers`. */
const DEFAULT_MAX = 4;
/** One worker under load, with its share of requests in flight: 240 MiB measured. */
const WORKER_BYTES = 256 * 1024 * 1024;
/** The workers' parent: 80 MiB measured. */
const PARENT_BYTES = 80 * 1024 * 1024;
/** Ingest's share where the other services use the same memory: Redis alone takes a quarter by default, more to rewrite. */
const SHARED_MEMORY_SHARE = 0.5;
/** One core is left to Redis, and to batcher and uploader where they run on the same machine. */
const CORES_LEFT = 1;

export interface Machine {
  readonly platform: NodeJS.Platform;
  /** Cores this process may use, within a container's limit. */
  readonly cores: number;
  readonly memoryBytes: number;
  /** Redis, batcher and uploader use this machine too: the all-in-one. */
  readonly shared: boolean;
}

/**
 * How many processes take events: 1 in a worker, because a worker is one of them. Warns if the system allows fewer than the
 * configuration asks for.
 */
export function chooseWorkers(
  { args, config, log }: Pick<ServiceContext, 'args' | 'config' | 'log'>,
  machine: Machine = thisMachine(args.alsoReady.length > 0),
): number {
  if (args.workerOf !== null) return 1;
  const workers = workerCount(config, machine);
  if (config.ingestWorkers !== null && workers < config.ingestWorkers) {
    const { platform } = machine;
    log.warn({ workers, platform }, 'ingest.workers: this system does not spread connections, one process takes all');
  }
  return workers;
}

/**
 * The configured number of workers, else one by cores and memory (ADR 10). Always 1 where the system does not spread the
 * connections to one port over several processes.
 */
export function workerCount(
  config: Pick<SinkConfig, 'ingestWorkers' | 'maxInFlightBytes' | 'maxBodyBytes'>,
  machine: Machine,
): number {
  if (machine.platform !== 'linux') return 1;
  if (config.ingestWorkers !== null) return config.ingestWorkers;
  const memoryBytes = machine.memoryBytes * (machine.shared ? SHARED_MEMORY_SHARE : 1);
  const room = Math.min((memoryBytes - PARENT_BYTES) / WORKER_BYTES, config.maxInFlightBytes / config.maxBodyBytes);
  return Math.max(1, Math.floor(Math.min(machine.cores - CORES_LEFT, DEFAULT_MAX, room)));
}

/** A worker's configuration: each worker gets its share of a limit of the whole service. */
export function shareOf<Config extends Pick<SinkConfig, 'maxInFlightBytes'>>(config: Config, workers: number): Config {
  return { ...config, maxInFlightBytes: Math.floor(config.maxInFlightBytes / workers) };
}

/** An ingest that answers for the readiness of other services runs beside them: the all-in-one. */
function thisMachine(shared: boolean): Machine {
  const { platform } = process;
  return { platform, cores: availableParallelism(), memoryBytes: usableMemoryBytes(), shared };
}
