import type { SinkConfig } from '@sink/config';

/** Beyond it Redis and the batcher are what is full; whoever measured otherwise sets `ingest.workers`. */
const DEFAULT_MAX = 4;
/** One worker under load, with its share of requests in flight: 240 MiB measured. */
const WORKER_BYTES = 256 * 1024 * 1024;
/** Their parent: 80 MiB measured. */
const PARENT_BYTES = 80 * 1024 * 1024;
/** What stays for ingest where the rest runs beside it: Redis alone takes a quarter by default, and more to rewrite. */
const SHARED_MEMORY_SHARE = 0.5;
/** One core stays for Redis, and for batcher and uploader where they run on the same machine. */
const CORES_LEFT = 1;

export interface Machine {
  readonly platform: NodeJS.Platform;
  /** That this process may use: what a container's limit leaves of them. */
  readonly cores: number;
  readonly memoryBytes: number;
  /** Redis, batcher and uploader take their part of it: the all-in-one. */
  readonly shared: boolean;
}

/**
 * How many processes take events: what is configured, else by cores (ADR 10). Always 1 where the system does not spread
 * the connections to one port over those who listen on it.
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

/** The configuration of one of several workers: a limit of the whole service is divided. */
export function shareOf<Config extends Pick<SinkConfig, 'maxInFlightBytes'>>(config: Config, workers: number): Config {
  return { ...config, maxInFlightBytes: Math.floor(config.maxInFlightBytes / workers) };
}
