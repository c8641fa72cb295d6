import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { Writable } from 'node:stream';
import { addressOf, type Environment, type SinkConfig } from '@sink/config';
import { type Clock, EXIT_CONFIG, KeptProcess, type Logger } from '@sink/runtime';
import { ownStopGrace, stopDeadlinesMs } from './grace.ts';
import { heapArguments, MEMORY_ENVIRONMENT, type ProgramOf, type ServiceName, SERVICES } from './service-command.ts';

export interface ServiceGroupOptions {
  readonly config: SinkConfig;
  /** What the services get; their own `stop_grace` comes on top. */
  readonly env: Environment;
  readonly configArguments: readonly string[];
  readonly programOf: ProgramOf;
  /** Held open by every service (see lifeline.ts). */
  readonly lifeline: Writable | null;
  readonly clock: Clock;
  readonly log: Logger;
  /** A service says that its configuration is wrong: no restart can heal that. */
  readonly onFatal: (exitCode: number | null) => void;
}

/** The three services as child processes. */
export class ServiceGroup {
  readonly #options: ServiceGroupOptions;
  readonly #processes: readonly { readonly service: ServiceName; readonly process: KeptProcess }[];

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

  /** Where each service says whether it is ready. */
  get readyUrls(): readonly string[] {
    return SERVICES.map((service) => this.#readyUrl(service));
  }

  start(): void {
    for (const { process } of this.#processes) process.start();
  }

  /** One after the other, each until its share of the grace is over. True when all went by themselves. */
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

  async kill(): Promise<void> {
    await Promise.all(this.#processes.map(({ process }) => process.kill()));
  }

  #readyUrl(service: ServiceName): string {
    const { config } = this.#options;
    const port = { ingest: config.ingestOpsPort, batcher: config.batcherOpsPort, uploader: config.uploaderOpsPort };
    return `${addressOf(config.host, port[service])}/readyz`;
  }

  /**
   * With a channel ('ipc') whose end tells the service that we are gone, and in a session of its own, so that Ctrl-C in
   * a terminal reaches us alone and the order of stopping is ours.
   */
  #launch(service: ServiceName): ChildProcess {
    const { config, configArguments, env, lifeline, programOf } = this.#options;
    const others = SERVICES.filter((name) => name !== service).map((name) => this.#readyUrl(name));
    const alsoReady = service === 'ingest' ? ['--also-ready', others.join(',')] : [];
    return spawn(process.execPath, [...heapArguments(service), programOf(service), ...configArguments, ...alsoReady], {
      env: {
        ...MEMORY_ENVIRONMENT,
        ...env,
        SINK_STOP_GRACE: ownStopGrace(stopDeadlinesMs(config.stopGraceMs)[service]),
      },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', ...(lifeline === null ? [] : [lifeline])],
      detached: true,
    });
  }
}
