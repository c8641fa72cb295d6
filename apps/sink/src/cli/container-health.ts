import { parseArgs } from 'node:util';
import { addressOf, type SinkConfig } from '@sink/config';
import { SERVICES, type ServiceName } from '../supervisor/service-command.ts';

const PROGRAM = /(^|\/)sink\.js$/;
const ASK_TIMEOUT_MS = 4_000;
const ANSWER_LENGTH_MAX = 2_000;

/** What a container runs. */
export interface ContainerCommand {
  readonly role: 'all' | ServiceName;
  readonly configFile: string | null;
}

/**
 * The command of a container, from the arguments of its process 1 (`/proc/1/cmdline`, ended by NUL each):
 * `tini -- node /app/sink.js batcher --config FILE`. Anything that is not understood is the whole sink.
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

/** Where that command says whether it can do its work; the port of ingest answers for the whole sink. */
export function readinessUrl(config: SinkConfig, role: ContainerCommand['role']): string {
  const port = {
    all: config.port,
    ingest: config.port,
    batcher: config.batcherOpsPort,
    uploader: config.uploaderOpsPort,
  };
  return `${addressOf(config.host, port[role])}/readyz`;
}

/** Asks once, within 4 s. `said` is one line for `docker inspect`. Never rejects. */
export async function askReadiness(url: string): Promise<{ readonly ready: boolean; readonly said: string }> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ASK_TIMEOUT_MS) });
    const said = (await response.text()).trim().slice(0, ANSWER_LENGTH_MAX);
    return { ready: response.ok, said };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return { ready: false, said: `asking ${url}: ${cause instanceof Error ? cause.message : String(cause)}` };
  }
}
