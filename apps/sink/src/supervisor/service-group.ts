import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { Writable } from 'node:stream';
import { addressOf, type ConfigInForce, type Environment, type HandedConfig, type SinkConfig } from '@sink/config';
import {
  askReadiness,
  childStopGrace,
  type Clock,
  EXIT_CONFIG,
  FailureReporter,
  handConfig,
  HANDED_ENVIRONMENT,
  KeptProcess,
  type Logger,
  type ReadinessAnswer,
  startWithConfig,
} from '@sink/runtime';
import { heapArguments, MEMORY_ENVIRONMENT, type ProgramOf, type ServiceName, SERVICES } from './service-command.ts';

const READY_POLL_MS = 100;
const READY_TIMEOUT_MS = 2_000;
/** How long a start may take before the log says which service is not ready yet; the line is repeated as often. */
const READY_LOG_MS = 10_000;
/** How long problems of the others must last, once ingest takes events, to be announced: while they start, and after. */
const OTHERS_START_MS = 10_000;
const OTHERS_SETTLE_MS = 1_000;

/** The part of `stop_grace` that is left for Redis. It stops last and quickly: its file is already fsynced. */
const REDIS_SHARE = 0.08;
/** The part of the time until a service is killed that the service gets as its own `stop_grace`. */
const OWN_GRACE_SHARE = 0.95;

export interface ServiceGroupOptions {
  readonly config: SinkConfig;
  /** The services start with what is in force, and do not read the file themselves. */
  readonly inForce: Pick<ConfigInForce, 'handed'>;
  /** The environment of the services, to which each gets its own `stop_grace`. */
  readonly env: Environment;
  readonly configArguments: readonly string[];
  readonly programOf: ProgramOf;
  /** Every service holds it open (see redis-orphan.ts). */
  readonly lifeline: Writable | null;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called when a service exits because its configuration is wrong, which no restart can heal. */
  readonly onFatal: (exitCode: number | null) => void;
  /** Called when a process of the service has exited, for any reason. */
  readonly onExit: (service: ServiceName) => void;
}

/** The three services as child processes. */
export class ServiceGroup {
  readonly #options: ServiceGroupOptions;
  readonly #processes: readonly { readonly service: ServiceName; readonly process: KeptProcess }[];
  readonly #running = new Map<ServiceName, ChildProcess>();

  constructor(options: ServiceGroupOptions) {
    this.#options = options;
    this.#processes = SERVICES.map((service) => ({
      service,
      process: new KeptProcess({
        name: service,
        launch: () => this.#launch(service),
        isFatal: (exitCode) => exitCode === EXIT_CONFIG,
        onFatal: options.onFatal,
        clock: options.clock,
        log: options.log,
      }),
    }));
  }

  start(): void {
    for (const { process } of this.#processes) process.start();
  }

  /**
   * Resolves to true when every service is ready, and to false when the signal aborts before.
   * @param taking gets the problems of the other services, once, when ingest takes events and they last
   */
  async ready(signal: AbortSignal, taking: (problems: readonly string[]) => void): Promise<boolean> {
    const { clock, log } = this.#options;
    const urls = SERVICES.map((service) => this.#readyUrl(service));
    const slowStart = new FailureReporter(
      { log, clock },
      { name: 'start', failing: 'not ready yet', working: null, logAfterMs: READY_LOG_MS, logEveryMs: READY_LOG_MS },
    );
    let takingSinceMs: number | null = null;
    let announced = false;
    while (!signal.aborted) {
      const answers = await Promise.all(urls.map((url) => askReadiness(url, READY_TIMEOUT_MS)));
      if (answers.every(({ ready }) => ready)) return true;
      const nowMs = clock.monotonicMs();
      takingSinceMs = answers[SERVICES.indexOf('ingest')]?.ready === true ? (takingSinceMs ?? nowMs) : null;
      const lastMs = answers.some(isStarting) ? OTHERS_START_MS : OTHERS_SETTLE_MS;
      if (!announced && takingSinceMs !== null && nowMs - takingSinceMs >= lastMs) {
        announced = true;
        taking(answers.flatMap(({ problems }, index) => problemLines(SERVICES[index] ?? '', problems)));
      }
      // Once the problems are announced, the services' own lines say more.
      if (!announced) {
        slowStart.failed({
          waiting: answers.flatMap(({ ready, text }, index) => (ready ? [] : [`${urls[index] ?? ''}: ${text}`])),
        });
      }
      await clock.sleep(READY_POLL_MS, signal);
    }
    return false;
  }

  /**
   * Stops the services one after the other, and kills each that is still running at its deadline.
   * @returns whether all stopped by themselves
   */
  async stop(startedMs: number): Promise<boolean> {
    const { clock, config } = this.#options;
    const deadlinesMs = stopDeadlinesMs(config.stopGraceMs);
    let clean = true;
    for (const { service, process } of this.#processes) {
      const leftMs = startedMs + deadlinesMs[service] - clock.monotonicMs();
      clean = (await process.stop(Math.max(0, leftMs))) && clean;
    }
    return clean;
  }

  /** Hands a changed configuration to the services; resolves to the names of those that did not confirm it. */
  hand(config: HandedConfig): Promise<readonly string[]> {
    return handConfig(
      [...this.#running].map(([name, child]) => ({ name, child })),
      config,
    );
  }

  async kill(): Promise<void> {
    await Promise.all(this.#processes.map(({ process }) => process.kill()));
  }

  #readyUrl(service: ServiceName): string {
    const { config } = this.#options;
    const port = { ingest: config.ingestOpsPort, batcher: config.batcherOpsPort, uploader: config.uploaderOpsPort };
    return `${addressOf(config.opsHost, port[service])}/readyz`;
  }

  /**
   * The service gets a channel ('ipc'), whose end says that the supervisor is gone. It runs in a session of its own, so
   * that Ctrl-C in a terminal reaches the supervisor alone, which stops the services in order.
   */
  #launch(service: ServiceName): ChildProcess {
    const { config, configArguments, env, inForce, lifeline, onExit, programOf } = this.#options;
    const others = SERVICES.filter((name) => name !== service).map((name) => this.#readyUrl(name));
    const alsoReady = service === 'ingest' ? ['--also-ready', others.join(',')] : [];
    const child = spawn(
      process.execPath,
      [...heapArguments(service), programOf(service), ...configArguments, ...alsoReady],
      {
        env: {
          ...MEMORY_ENVIRONMENT,
          ...env,
          ...HANDED_ENVIRONMENT,
          SINK_STOP_GRACE: childStopGrace(stopDeadlinesMs(config.stopGraceMs)[service], OWN_GRACE_SHARE),
        },
        stdio: ['pipe', 'inherit', 'inherit', 'ipc', ...(lifeline === null ? [] : [lifeline])],
        detached: true,
      },
    );
    startWithConfig(child, inForce.handed());
    this.#running.set(service, child);
    child.once('exit', () => {
      this.#running.delete(service);
      onExit(service);
    });
    return child;
  }
}

/** Whether the service has not yet reported anything but that it starts. */
function isStarting({ problems }: ReadinessAnswer): boolean {
  return 'starting' in problems || '' in problems;
}

function problemLines(service: string, problems: ReadinessAnswer['problems']): string[] {
  return Object.entries(problems).map(([name, problem]) => `${`${service} ${name}`.trim()}: ${problem}`);
}

/**
 * The time, counted from the beginning of the stop, at which a service is killed. A service that stops early leaves its
 * time to those after it: the batcher seals what ingest accepted, and the uploader uploads what the batcher sealed.
 */
function stopDeadlinesMs(stopGraceMs: number): Readonly<Record<ServiceName, number>> {
  return {
    ingest: Math.floor(stopGraceMs * 0.3),
    batcher: Math.floor(stopGraceMs * 0.6),
    uploader: Math.floor(stopGraceMs * (1 - REDIS_SHARE)),
  };
}
