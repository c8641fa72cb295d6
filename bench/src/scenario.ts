import type { LoadGenerator } from './load/load.ts';
import type { ScenarioReport } from './report/figure.ts';
import type { LoadSettings } from './throughput/runs.ts';

export interface RunSettings extends LoadSettings {
  readonly runs: number;
  readonly warmUpSeconds: number;
  /** Of load while memory is watched, which is slower to show what becomes of it. */
  readonly memorySeconds: number;
}

/** What every scenario is given. */
export interface BenchContext {
  readonly load: LoadGenerator;
  readonly settings: RunSettings;
  /** Where the processes of this part of the bench leave CPU profiles; null: no profiles were asked for. */
  readonly profileDirectory: (part: string) => string | null;
  readonly say: (line: string) => void;
  /** The bench goes on, and fails in the end. */
  readonly fail: (problem: string) => void;
}

export type Scenario = (context: BenchContext) => Promise<ScenarioReport>;
