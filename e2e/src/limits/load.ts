import { fork } from 'node:child_process';
import { join } from 'node:path';

/** What one client process sends: single events in structured mode, over connections that stay open. */
export interface Load {
  readonly token: string;
  readonly targets: readonly { readonly url: string; readonly connections: number }[];
  /** Events a second over all connections, whether or not earlier ones were answered; null: each connection as fast as it can. */
  readonly perSecond: number | null;
}

/** When a request was sent (Unix milliseconds), what it was answered, and how long that took. */
export type Answer = readonly [sentMs: number, status: number, tookMs: number];

/** A client in a process of its own, so that several do not slow each other down. */
export class Client {
  readonly #process;
  readonly #answers: Promise<readonly Answer[]>;

  constructor(load: Load) {
    this.#process = fork(join(import.meta.dirname, 'load-main.ts'), [JSON.stringify(load)]);
    this.#answers = new Promise((resolve, reject) => {
      this.#process.once('message', (answers) => resolve(answers as readonly Answer[]));
      this.#process.once('exit', (code) => reject(new Error(`the client exited with ${code}`)));
    });
    // Whoever stops it is told.
    this.#answers.catch(() => undefined);
  }

  /** Ends the client. @returns all that it was answered */
  async stop(): Promise<readonly Answer[]> {
    this.#process.send('stop');
    const answers = await this.#answers;
    this.kill();
    return answers;
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }
}

/** @param part 0.99: the 99th percentile */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;
}
