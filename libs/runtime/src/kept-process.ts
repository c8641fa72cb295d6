import type { ChildProcess } from 'node:child_process';
import { type Backoff, backoffMs } from '@sink/domain';
import type { Clock } from './clock.ts';
import type { Logger } from './logger.ts';

const RESTART: Backoff = { baseMs: 250, capMs: 15_000, floorMs: 250 };
/** After a process has run this long, the waits before its restarts begin anew. */
const WELL_AFTER_MS = 30_000;

export interface KeptProcessOptions {
  readonly name: string;
  /** Starts the process once. If it throws, the process counts as exited. */
  readonly launch: () => ChildProcess;
  /** Whether a restart cannot help after this exit code (null: ended by a signal, or never started). */
  readonly isFatal: (exitCode: number | null) => boolean;
  /** Called after such an exit; the process is not restarted. */
  readonly onFatal: (exitCode: number | null) => void;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random?: () => number;
}

/**
 * A child process that is restarted whenever it exits, after 250 ms at first and 15 s at most, until it is stopped. Of this,
 * execa has only the start.
 */
export class KeptProcess {
  readonly #options: KeptProcessOptions;
  #child: ChildProcess | null = null;
  #gone: Promise<void> = Promise.resolve();
  #restart: NodeJS.Timeout | null = null;
  #exits = 0;
  #stopping = false;

  constructor(options: KeptProcessOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  /** Null while no process runs. */
  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  start(): void {
    if (this.#stopping) return;
    const { clock, launch } = this.#options;
    const startedMs = clock.monotonicMs();
    let child: ChildProcess;
    try {
      child = launch();
    } catch (error) {
      this.#exited({ err: error }, null, 0);
      return;
    }
    this.#child = child;
    this.#gone = new Promise((resolve) => {
      let settled = false;
      const settle = (how: object, code: number | null): void => {
        if (settled) return;
        settled = true;
        this.#child = null;
        resolve();
        this.#exited(how, code, clock.monotonicMs() - startedMs);
      };
      child.once('exit', (code, signal) => settle({ exitCode: code, signal }, code));
      child.on('error', (error) => {
        // 'error' also means that a signal could not be sent. Without a pid, the process never started.
        if (child.pid === undefined) settle({ err: error }, null);
      });
    });
  }

  /** Sends SIGTERM, and SIGKILL after `graceMs`. Resolves after the exit, to whether SIGTERM was enough. */
  async stop(graceMs: number): Promise<boolean> {
    this.#stopping = true;
    if (this.#restart !== null) clearTimeout(this.#restart);
    if (this.#child === null) return true;
    this.#child.kill('SIGTERM');
    const inTime = new AbortController();
    const stopped = await Promise.race([
      this.#gone.then(() => true),
      this.#options.clock.sleep(graceMs, inTime.signal).then(() => false),
    ]);
    inTime.abort();
    if (!stopped) {
      this.#options.log.error({ process: this.name, graceMs }, 'a process did not stop in time and is killed');
      await this.kill();
    }
    return stopped;
  }

  /** Sends SIGKILL at once; the process is not restarted. */
  async kill(): Promise<void> {
    this.#stopping = true;
    if (this.#restart !== null) clearTimeout(this.#restart);
    this.#child?.kill('SIGKILL');
    await this.#gone;
  }

  #exited(how: object, code: number | null, uptimeMs: number): void {
    const { isFatal, log, name, onFatal, random = Math.random } = this.#options;
    if (this.#stopping) return;
    if (isFatal(code)) {
      onFatal(code);
      return;
    }
    this.#exits = uptimeMs >= WELL_AFTER_MS ? 1 : this.#exits + 1;
    const restartInMs = backoffMs(this.#exits, RESTART, random());
    log.error({ process: name, ...how, restartInMs }, 'a process exited and is restarted');
    this.#restart = setTimeout(() => this.start(), restartInMs);
  }
}
