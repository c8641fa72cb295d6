import type { LoadGenerator } from './load/load.ts';
import type { ScenarioReport } from './report/figure.ts';
import type { SinkOptions, SinkProcesses, SinkSettings } from './sink/processes.ts';
import type { LoadSettings } from './throughput/runs.ts';

interface RunSettings extends LoadSettings {
  readonly runs: number;
  readonly warmUpSeconds: number;
  /** Of load while memory is watched, which is slower to show what becomes of it. */
  readonly memorySeconds: number;
}

/** What a sink of the bench was set to. */
export interface StartedSink extends SinkSettings {
  readonly part: string;
}

/** What every scenario is given. */
export interface BenchContext {
  readonly load: LoadGenerator;
  readonly settings: RunSettings;
  /** For this part of the bench; what it is set to goes into the results. It leaves CPU profiles when they were asked for. */
  readonly startSink: (part: string, options?: Omit<SinkOptions, 'profileDirectory'>) => Promise<SinkProcesses>;
  readonly say: (line: string) => void;
  /** The bench goes on, and fails in the end. */
  readonly fail: (problem: string) => void;
}

export type Scenario = (context: BenchContext) => Promise<ScenarioReport>;
