import type { LoadGenerator } from './load/load.ts';
import type { ScenarioReport } from './report/figure.ts';
import type { SinkOptions, SinkProcesses, SinkSettings } from './sink/processes.ts';
import type { LoadSettings } from './throughput/runs.ts';

interface RunSettings extends LoadSettings {
  readonly runs: number;
  readonly warmUpSeconds: number;
  /** The seconds of load while memory is watched, whose trend takes longer to show. */
  readonly memorySeconds: number;
}

/** The settings of a sink of the bench. */
export interface StartedSink extends SinkSettings {
  readonly part: string;
}

/** The input of every scenario. */
export interface BenchContext {
  readonly load: LoadGenerator;
  readonly settings: RunSettings;
  /** Starts a sink for this part of the bench. The results list its settings. It writes CPU profiles on request. */
  readonly startSink: (part: string, options?: Omit<SinkOptions, 'profileDirectory'>) => Promise<SinkProcesses>;
  readonly say: (line: string) => void;
  /** Reports a problem: the bench continues, and fails at the end. */
  readonly fail: (problem: string) => void;
}

export type Scenario = (context: BenchContext) => Promise<ScenarioReport>;
