import type { Setup } from './helpers.ts';
import type { Part } from './report.ts';

/** One subject of the run, in namespaces of its own. */
export interface Subject {
  readonly name: string;
  readonly about: string;
  run(part: Part, setup: Setup): Promise<void>;
}
