import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The services, in the order in which they are stopped: intake first. */
export const SERVICES = ['ingest', 'batcher', 'uploader'] as const;
export type ServiceName = (typeof SERVICES)[number];

/** A program that this process' own Node runs. */
export type ProgramOf = (service: ServiceName) => string;

/**
 * The file of a service's program: in the image the bundle beside this one, in a checkout the source. Apps never
 * import apps: a service is a process of its own.
 */
export function findServiceProgram(service: ServiceName): string {
  const bundled = fileURLToPath(new URL(`./${service}.js`, import.meta.url));
  return existsSync(bundled) ? bundled : fileURLToPath(new URL(`../../${service}/src/main.ts`, import.meta.url));
}
