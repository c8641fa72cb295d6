import { AutocannonLoad } from './autocannon.ts';
import { WrkLoad } from './wrk.ts';
import type { Message } from './traffic.ts';

export interface LoadOptions {
  readonly url: string;
  readonly messages: readonly Message[];
  readonly connections: number;
  readonly seconds: number;
}

/** What the producers measured. */
export interface LoadResult {
  /** Requests with a 2xx. */
  readonly acknowledged: number;
  /** Requests with another answer, or without one: reset, timed out. */
  readonly failed: number;
  readonly seconds: number;
}

/** Sends messages over persistent connections, each as soon as the one before it is answered. */
export interface LoadGenerator {
  readonly name: string;
  run(options: LoadOptions): Promise<LoadResult>;
}

/** wrk if it is on PATH, because it leaves more of the machine to the sink; else autocannon. */
export async function loadGenerator(): Promise<LoadGenerator> {
  return (await WrkLoad.find()) ?? new AutocannonLoad();
}
