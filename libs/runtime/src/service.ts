import { parseArgs } from 'node:util';
import { ConfigError, ConfigInForce, describeConfigFile, readEnvironment } from '@sink/config';
import type { SinkConfig } from '@sink/config';
import { assertNever } from '@sink/domain';
import { Registry, collectDefaultMetrics } from 'prom-client';
import { systemClock } from './clock.ts';
import type { Clock } from './clock.ts';
import { registerConfigMetrics } from './config-metrics.ts';
import { ConfigReload, warnOfConfig } from './config-reload.ts';
import { configAtStart, handConfig, takeConfig } from './handed-config.ts';
import { makeStringsFast, trimHeap } from './process.ts';
import { createLogger } from './logger.ts';
import type { Logger } from './logger.ts';
import { type OpsActions, type OpsPages, startOpsServer } from './ops-server.ts';
import { Readiness, registerReadiness } from './health.ts';
import { Shutdown } from './shutdown.ts';
import { hasControllingTerminal } from './terminal.ts';
import { answerParent, tellParentOfStart, WorkerReports } from './worker-reports.ts';

const TRIM_AFTER_MS = 3_000;

export type ServiceName = 'ingest' | 'batcher' | 'uploader';

/** The command line of a service. */
export interface ServiceArguments {
  /** `--config FILE`: the configuration file. Null: the default paths. */
  configFile: string | null;
  /** `--also-ready URL,URL`: `/readyz` addresses of services whose problems ingest's main port shows as warnings. */
  alsoReady: readonly string[];
  /** `--parent-ready URL`: the `/readyz` address at which the parent of this worker answers for all of its workers. */
  parentReady: string | null;
  /** `--worker-of N`: this process is one of N workers of a service; their parent reports for all of them. */
  workerOf: number | null;
}

/** What a service gets from outside. */
export interface ServiceContext {
  service: ServiceName;
  args: ServiceArguments;
  /** As it was at the start. Live keys change while the service runs: what uses one takes it from `inForce`. */
  config: SinkConfig;
  inForce: Pick<ConfigInForce, 'settings' | 'onChange' | 'handed'>;
  log: Logger;
  clock: Clock;
  registry: Registry;
  readiness: Readiness;
  /** The port for health and metrics; null in a worker, because its parent serves them. */
  opsPort: number | null;
  /** The service adds its worker processes here, so that their health and metrics are included. */
  workers: WorkerReports;
  /** The service adds what it answers on its operations port beside health and metrics. */
  opsPages: OpsPages;
  /** What a POST to the operations port does; a service adds its own. */
  opsActions: OpsActions;
  shutdown: Shutdown;
  /** Aborts when stopping begins, before the first releaser runs. */
  signal: AbortSignal;
  /** Ends the service after an error that only a new process can recover from: stops in order, exits with 1 or 78. */
  fail: (error: unknown) => void;
}

/**
 * Exit codes: stopped on request; failed; the command line, the configuration or a system that it names needs an
 * operator, so that a restart does not help (sysexits.h EX_CONFIG).
 */
export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
export const EXIT_CONFIG = 78;

/**
 * Runs one service as this process, from reading its configuration to exit.
 *
 * An invalid configuration is printed completely and exits with 78, a failed start exits with 1. SIGTERM or SIGINT
 * stops all parts in order within `stopGraceMs` and exits with 0, or 1 if a part failed to stop. Repeated signals have
 * no effect, because a terminal and a supervisor both send one for the same Ctrl-C. If the supervisor started this
 * process with a channel ('ipc'), its end has the same effect as SIGTERM.
 *
 * The configuration file is read again when it changes, or on SIGHUP. With a controlling terminal SIGHUP is its end, and
 * stops the service. A process that got its configuration from the one that started it leaves both to that one.
 */
export async function runService(
  service: ServiceName,
  start: (context: ServiceContext) => Promise<void>,
): Promise<void> {
  const { args, inForce, isHanded } = loadOrExit();
  const { config } = inForce;
  const { logLevel: level, logFormat: format, secrets, secretsReadAgain } = config;
  const log = createLogger({ service, level, format, secrets, secretsReadAgain });
  if (args.workerOf === null) log.info(describeConfigFile(config.configFile));
  const stopping = new AbortController();
  const readiness = new Readiness();
  const registry = new Registry();
  const shutdown = new Shutdown({ deadlineMs: config.stopGraceMs, clock: systemClock, log });

  let exitCode = EXIT_OK;
  const stop = async (code: number): Promise<void> => {
    exitCode = Math.max(exitCode, code);
    if (stopping.signal.aborted) return;
    readiness.set('stopping', 'the service is stopping');
    stopping.abort();
    await shutdown.run();
    if (!shutdown.clean) exitCode = Math.max(exitCode, EXIT_FAILED);
    log.info({ exitCode }, 'stopped');
    process.exit(exitCode);
  };
  const fail = (error: unknown): void => {
    log.fatal({ err: error }, `${service} failed`);
    void stop(needsOperator(error) ? EXIT_CONFIG : EXIT_FAILED);
  };
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      if (!stopping.signal.aborted) log.info({ signal: name }, 'stopping');
      void stop(EXIT_OK);
    });
  }
  // The supervisor that started this process has a channel to it, which closes when the supervisor ends for any reason.
  process.once('disconnect', () => {
    if (!stopping.signal.aborted) log.warn('the parent process has ended: stopping');
    void stop(EXIT_OK);
  });
  crashOnBrokenInvariants(log);

  const workers = new WorkerReports();
  const pages: OpsPages = new Map();
  const actions: OpsActions = new Map();
  followConfig();
  const context = (opsPort: number | null): ServiceContext => ({
    service,
    args,
    config,
    inForce,
    log,
    clock: systemClock,
    registry,
    readiness,
    opsPort,
    workers,
    opsPages: pages,
    opsActions: actions,
    shutdown,
    signal: stopping.signal,
    fail,
  });
  try {
    collectDefaultMetrics({ register: registry });
    registerReadiness(registry, readiness);
    if (args.workerOf !== null) {
      answerParent(readiness, registry, log);
      await start(context(null));
      trimHeap();
      makeStringsFast();
      readiness.set('starting', null);
      tellParentOfStart(readiness);
      log.info('started');
      return;
    }
    const { opsHost: host } = config;
    const ops = await startOpsServer({
      host,
      port: opsPort(service, config),
      readiness,
      registry,
      workers,
      pages,
      actions,
      log,
    });
    shutdown.add('operations port', () => ops.close());
    await start(context(ops.port));
    // Batcher and uploader still connect, and a pause of theirs delays no answer.
    if (service === 'ingest') trimHeap();
    else setTimeout(trimHeap, TRIM_AFTER_MS).unref();
    makeStringsFast();
    readiness.set('starting', null);
    log.info({ opsPort: ops.port }, 'started');
  } catch (error) {
    if (stopping.signal.aborted) {
      log.warn({ err: error }, 'a signal ended the start');
      return;
    }
    process.stderr.write(`${service}: ${error instanceof Error ? error.message : String(error)}\n`);
    fail(error);
  }

  function followConfig(): void {
    registerConfigMetrics(registry, inForce);
    warnOfConfig(inForce, readiness);
    inForce.onChange(({ logLevel }) => {
      log.level = logLevel;
      warnOfConfig(inForce, readiness);
    });
    const hand = (): Promise<readonly string[]> => handConfig(workers.processes, inForce.handed());
    if (isHanded) {
      takeConfig(async (handed) => {
        try {
          inForce.take(handed);
        } catch (error) {
          log.error({ err: error }, 'the configuration that came is not valid in this process');
          return ['(refused: see its log)'];
        }
        return hand();
      });
      // The process that started this one reads the file again.
      process.on('SIGHUP', () => undefined);
      return;
    }
    const reload = new ConfigReload(inForce, { log, clock: systemClock, hand });
    const failed = (error: unknown): void => log.error({ err: error }, 'reading the configuration again failed');
    reload.watchUntil(stopping.signal).catch(failed);
    const onTerminal = hasControllingTerminal();
    process.on('SIGHUP', () => {
      if (onTerminal) void stop(EXIT_OK);
      else reload.reload().catch(failed);
    });
  }
}

/** A process with a broken invariant ends at once: acknowledged events are durable, and a new process continues. */
function crashOnBrokenInvariants(log: Logger): void {
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      log.fatal({ err: error, event }, 'a broken invariant ends this process');
      process.exit(EXIT_FAILED);
    });
  }
}

function loadOrExit(): { args: ServiceArguments; inForce: ConfigInForce; isHanded: boolean } {
  try {
    const args = parseArguments(process.argv.slice(2));
    const env = readEnvironment();
    const handed = configAtStart(env);
    const inForce = new ConfigInForce(args.configFile === null ? { env } : { file: args.configFile, env }, handed);
    return { args, inForce, isHanded: handed !== null };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(error instanceof ConfigError || isArgumentError(error) ? EXIT_CONFIG : EXIT_FAILED);
  }
}

/** @throws the TypeError of node:util's parseArgs for an unknown argument, and a similar one for a wrong value */
export function parseArguments(argv: readonly string[]): ServiceArguments {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      config: { type: 'string' },
      'also-ready': { type: 'string' },
      'parent-ready': { type: 'string' },
      'worker-of': { type: 'string' },
    },
    allowPositionals: false,
  });
  const alsoReady = (values['also-ready'] ?? '').split(',').filter((url) => url !== '');
  return {
    configFile: values.config ?? null,
    alsoReady,
    parentReady: values['parent-ready'] ?? null,
    workerOf: parseWorkerOf(values['worker-of'] ?? null),
  };
}

function parseWorkerOf(given: string | null): number | null {
  if (given === null) return null;
  if (/^[1-9]\d*$/.test(given)) return Number(given);
  const message = `Option '--worker-of <value>' takes a whole number from 1, not '${given}'`;
  throw Object.assign(new TypeError(message), { code: 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE' });
}

/** Whether the error itself says that a restart does not help, as RedisUnfit does. */
function needsOperator(error: unknown): boolean {
  return error instanceof Error && 'retryable' in error && error.retryable === false;
}

function isArgumentError(error: unknown): boolean {
  return error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
}

function opsPort(service: ServiceName, config: SinkConfig): number {
  switch (service) {
    case 'ingest':
      return config.ingestOpsPort;
    case 'batcher':
      return config.batcherOpsPort;
    case 'uploader':
      return config.uploaderOpsPort;
    default:
      return assertNever(service);
  }
}
