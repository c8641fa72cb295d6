import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The services, in the order in which they are stopped: intake first. */
export const SERVICES = ['ingest', 'batcher', 'uploader'] as const;
export type ServiceName = (typeof SERVICES)[number];

/**
 * Node's arguments for a service. They keep its heap near the size of what it holds; by itself V8 sizes the heap by the
 * memory of the machine and collects garbage late. Measured with `npm run bench` on 24 GB: the highest RSS of ingest
 * falls from 404 to 238 MiB with batches and from 303 to 183 MiB with single events, at the same CPU time an event. A
 * percentage below 100 takes less memory still, but costs CPU time. `--expose-gc` is for `trimHeap`, which takes 10 to 17
 * MB off each service once it has started.
 */
export function heapArguments(service: ServiceName): readonly string[] {
  return [`--max-semi-space-size=${YOUNG_GENERATION_MIB[service]}`, '--heap-growing-percent=100', '--expose-gc'];
}

/**
 * The size of each of the two halves. With 4 MiB ingest, which makes objects for each request, takes 19 % more CPU time
 * an event. The batcher, which drains a backlog, takes as much as with 16 MiB, and 20 to 40 MB less memory.
 */
const YOUNG_GENERATION_MIB: Readonly<Record<ServiceName, number>> = { ingest: 16, batcher: 4, uploader: 4 };

/**
 * Makes glibc allocate from two arenas instead of eight a core, because each arena keeps what was freed in it. That
 * takes 10 to 30 MB off each service (`npm run bench -- --scenario memory`). Other C libraries ignore it.
 */
export const MEMORY_ENVIRONMENT = { MALLOC_ARENA_MAX: '2' } as const;

/** Returns the file of a service's program, which this process' own Node runs. */
export type ProgramOf = (service: ServiceName) => string;

/**
 * In the image a service's program is the bundle beside this one, in a checkout its source. Apps never import apps: a
 * service is a process of its own.
 */
export function findServiceProgram(service: ServiceName): string {
  const bundled = fileURLToPath(new URL(`./${service}.js`, import.meta.url));
  return existsSync(bundled) ? bundled : fileURLToPath(new URL(`../../../${service}/src/main.ts`, import.meta.url));
}
