import { parseArgs } from 'node:util';
import { addressOf, portAddress, type SinkConfig } from '@sink/config';
import { SERVICES, type ServiceName } from '../supervisor/service-command.ts';

const PROGRAM = /(^|\/)sink\.js$/;

/** The command that a container runs. */
export interface ContainerCommand {
  readonly role: 'all' | ServiceName;
  readonly configFile: string | null;
}

/**
 * The command of a container, from the arguments of its process 1 (`/proc/1/cmdline`, each ended by NUL):
 * `tini -- node /app/sink.js batcher --config FILE`. Any command that it does not know counts as the whole sink.
 */
export function commandOfContainer(cmdline: string): ContainerCommand {
  const words = cmdline.split('\0');
  const args = words.slice(words.findIndex((word) => PROGRAM.test(word)) + 1).filter((word) => word !== '');
  const { values, positionals } = parseArgs({
    args,
    options: { config: { type: 'string' } },
    allowPositionals: true,
    strict: false,
  });
  return {
    role: SERVICES.find((service) => positionals.includes(service)) ?? 'all',
    configFile: typeof values.config === 'string' ? values.config : null,
  };
}

/**
 * The address that says whether the command can do its work. For the whole sink the port of ingest answers, asked for all
 * services: nothing takes traffic away from an unhealthy container here, and nothing else shows its problems.
 */
export function readinessUrl(
  config: Pick<SinkConfig, 'host' | 'port' | 'tlsCertFile' | 'opsHost' | 'batcherOpsPort' | 'uploaderOpsPort'>,
  role: ContainerCommand['role'],
): string {
  const { opsHost, batcherOpsPort, uploaderOpsPort } = config;
  const address = {
    all: portAddress(config),
    ingest: portAddress(config),
    batcher: addressOf(opsHost, batcherOpsPort),
    uploader: addressOf(opsHost, uploaderOpsPort),
  };
  return `${address[role]}/readyz${role === 'all' ? '?all' : ''}`;
}
