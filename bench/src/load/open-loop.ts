import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startProcess, temporaryDirectory } from '@sink/testing';
import type { Percentiles } from '../report/statistics.ts';
import type { LoadGenerator, LoadOptions, LoadResult } from './load.ts';
import { rawRequest } from './raw-request.ts';

/** The plan of the sender's process. */
export interface OpenLoopPlan {
  readonly host: string;
  readonly port: number;
  readonly ratePerSecond: number;
  readonly seconds: number;
  readonly connections: number;
  readonly requests: readonly string[];
}

export interface OpenLoopSummary extends LoadResult {
  /** From the time a request was due to its answer. */
  readonly latencyMs: Percentiles;
  /** From the time a request was due until it was sent: the delay of the sender and the wait for an idle connection. */
  readonly sendLagMs: Percentiles;
}

/**
 * Sends a constant rate of requests from a process of its own, without coordinated omission: a slow server does not
 * lower the rate, and a request that had to wait counts from the time it was due. wrk and autocannon cannot do this.
 * wrk sends after each answer; in autocannon each connection sends the requests of a whole second at once, and its
 * correction estimates the missing latencies.
 */
export class OpenLoopLoad implements LoadGenerator {
  readonly name = 'open loop';
  readonly #ratePerSecond: number;
  #summary: OpenLoopSummary | null = null;

  constructor(ratePerSecond: number) {
    this.#ratePerSecond = ratePerSecond;
  }

  /** Of the last run. */
  get summary(): OpenLoopSummary {
    if (this.#summary === null) throw new Error('reading latencies: nothing was sent yet');
    return this.#summary;
  }

  async run({ url, messages, connections, seconds }: LoadOptions): Promise<LoadResult> {
    const { host, hostname, port } = new URL(url);
    const plan: OpenLoopPlan = {
      host: hostname,
      port: Number(port),
      ratePerSecond: this.#ratePerSecond,
      seconds,
      connections,
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
