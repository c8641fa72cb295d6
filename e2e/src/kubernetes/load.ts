import { setTimeout as sleep } from 'node:timers/promises';
import type { Try } from '../harness/producer.ts';
import type { FailedRequest } from './failed-requests.ts';

export interface Progress {
  readonly acknowledged: number;
  readonly answers: Readonly<Record<string, number>>;
  readonly failed: number;
}

/** What happened to the requests of the producers in some time. */
export interface Window {
  /** All of them, failed or not. */
  readonly requests: number;
  readonly failures: readonly FailedRequest[];
}

/** How long the producers may take to get so many acknowledgements: a guard. */
const PROGRESS_MAX_MS = 60_000;
/** So many acknowledgements show that the load runs. */
const BEFORE_AND_AFTER = 50;

/** Controls the producers in the cluster (load-main.ts). */
export class Load {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  async start(producers: number): Promise<void> {
    await this.#call('POST', `start?producers=${producers}`);
  }

  async stop(): Promise<void> {
    await this.#call('POST', 'stop');
  }

  async progress(): Promise<Progress> {
    return JSON.parse(await this.#call('GET', 'progress')) as Progress;
  }

  /** Waits until so many more attempts are acknowledged. */
  async acknowledgedMore(tries: number): Promise<void> {
    const until = (await this.progress()).acknowledged + tries;
    for (const endMs = performance.now() + PROGRESS_MAX_MS; ; await sleep(50)) {
      const { acknowledged, answers } = await this.progress();
      if (acknowledged >= until) return;
      if (performance.now() > endMs) throw new Error(`no progress: ${JSON.stringify(answers)}`);
    }
  }

  /** What the producers saw since then. */
  async since(before: Progress): Promise<Window> {
    const after = await this.progress();
    const failures = JSON.parse(await this.#call('GET', 'failures')) as FailedRequest[];
    return { requests: total(after) - total(before), failures: failures.slice(before.failed, after.failed) };
  }

  async tries(): Promise<Map<string, Try>> {
    const lines = (await this.#call('GET', 'tries')).split('\n').filter((line) => line !== '');
    return new Map(
      lines.map((line) => {
        const [name, { event, acknowledged }] = JSON.parse(line) as [string, Try];
        const at = acknowledged === null ? null : { ...acknowledged, at: new Date(acknowledged.at) };
        return [name, { event, acknowledged: at }];
      }),
    );
  }

  async #call(method: string, path: string): Promise<string> {
    const response = await fetch(`${this.#url}/${path}`, { method });
    const body = await response.text();
    if (!response.ok) throw new Error(`asking the producers [${method} ${path}]: ${response.status} ${body}`);
    return body;
  }
}

/** Disturbs the sink under load, and resolves to what the producers saw meanwhile. */
export async function during(loads: readonly Load[], disturb: () => Promise<void>): Promise<Window> {
  const [steady] = loads;
  await steady?.acknowledgedMore(BEFORE_AND_AFTER);
  const before = await Promise.all(loads.map(async (load) => ({ load, progress: await load.progress() })));
  await disturb();
  await steady?.acknowledgedMore(BEFORE_AND_AFTER);
  const windows = await Promise.all(before.map(({ load, progress }) => load.since(progress)));
  return {
    requests: windows.reduce((sum, { requests }) => sum + requests, 0),
    failures: windows.flatMap(({ failures }) => failures),
  };
}

function total({ answers }: Progress): number {
  return Object.values(answers).reduce((sum, count) => sum + count, 0);
}
