import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startProcess, temporaryDirectory } from '@sink/testing';
import type { Percentiles } from '../report/statistics.ts';
import type { LoadGenerator, LoadOptions, LoadResult } from './load.ts';
import { rawRequest } from './raw-request.ts';

/** What the sender's process is told. */
export interface OpenLoopPlan {
  readonly host: string;
  readonly port: number;
  readonly ratePerSecond: number;
  readonly seconds: number;
  readonly connections: number;
  readonly requests: readonly string[];
}

export interface OpenLoopSummary extends LoadResult {
  /** From the moment a request was due to its answer. */
  readonly latencyMs: Percentiles;
  /** From the moment a request was due to its way out: the sender's own share, and waiting for an idle connection. */
  readonly sendLagMs: Percentiles;
}

/**
 * A constant rate of requests, in a process of its own, without coordinated omission: a server that hesitates is asked no
 * less often, and what had to wait meanwhile counts from when it was due. wrk and autocannon cannot do it: wrk sends when
 * it was answered, and autocannon's rate is that each connection sends a whole second's share at once, and its correction
 * fills in what it believes was left out.
 */
export class OpenLoopLoad implements LoadGenerator {
  readonly name = 'open loop';
  readonly #ratePerSecond: number;
  #summary: OpenLoopSummary | null = null;

  constructor(ratePerSecond: number) {
    this.#ratePerSecond = ratePerSecond;
  }

  /** Of the run before. */
  get summary(): OpenLoopSummary {
    if (this.#summary === null) throw new Error('reading latencies: nothing was sent yet');
    return this.#summary;
  }

  async run({ url, messages, connections, seconds }: LoadOptions): Promise<LoadResult> {
    const { host, hostname, port } = new URL(url);
    const plan: OpenLoopPlan = {
      ...{ host: hostname, port: Number(port), ratePerSecond: this.#ratePerSecond, seconds, connections },
      requests: messages.map((message) => rawRequest(message, host)),
    };
    const file = join(temporaryDirectory('open-loop'), 'plan.json');
    writeFileSync(file, JSON.stringify(plan));
    const sender = await startProcess({
      command: process.execPath,
      args: [join(import.meta.dirname, 'open-loop-main.ts'), file],
    });
    const [, summary = ''] = await sender.waitFor(/^summary (.*)$/m, { timeoutMs: (seconds + 30) * 1000 });
    await sender.exited;
    this.#summary = JSON.parse(summary) as OpenLoopSummary;
    return this.#summary;
  }
}
