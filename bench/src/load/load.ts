import { AutocannonLoad } from './autocannon.ts';
import { WrkLoad } from './wrk.ts';
import type { Message } from './traffic.ts';

export interface LoadOptions {
  readonly url: string;
  readonly messages: readonly Message[];
  readonly connections: number;
  readonly seconds: number;
}

/** What the producers saw. */
export interface LoadResult {
  /** Requests that were answered with a 2xx. */
  readonly acknowledged: number;
  /** Requests with another answer, or none: reset, timed out. */
  readonly failed: number;
  readonly seconds: number;
}

/** Sends messages over connections that are kept, each as soon as the one before it is answered. */
export interface LoadGenerator {
  readonly name: string;
  run(options: LoadOptions): Promise<LoadResult>;
}

/** wrk when it is on PATH: it leaves more of the machine to what is measured. Else autocannon. */
export async function loadGenerator(): Promise<LoadGenerator> {
  return (await WrkLoad.find()) ?? new AutocannonLoad();
}
