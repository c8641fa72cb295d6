import type { LoadGenerator } from './load.ts';
import { type BareRun, type LoadSettings, measureBare, measureSink, type SinkRun } from './measure.ts';
import { scenario, type ScenarioName } from './messages.ts';
import { SinkProcesses, startBareServer } from './processes.ts';

export interface RunSettings extends LoadSettings {
  readonly runs: number;
  readonly warmUpSeconds: number;
}

/** A run of the bare server, and the run of the sink right after it. */
export interface PairOfRuns {
  readonly bare: BareRun;
  readonly sink: SinkRun;
}

export interface ScenarioResult {
  readonly name: ScenarioName;
  readonly title: string;
  readonly eventsPerMessage: number;
  readonly runs: readonly PairOfRuns[];
}

/**
 * One scenario, with a sink and a bare server of its own: a warm-up of both, then run by run in turn, so that whatever
 * else happens on the machine meets both alike.
 */
export async function runScenario(
  name: ScenarioName,
  load: LoadGenerator,
  settings: RunSettings,
  options: { profileDirectory: string | null; say: (line: string) => void },
): Promise<ScenarioResult> {
  const what = scenario(name);
  const server = await startBareServer();
  const sink = await SinkProcesses.start(options.profileDirectory, what.settings);
  const runs: PairOfRuns[] = [];
  try {
    options.say(`${what.title}: warm-up`);
    const warmUp = { ...settings, seconds: settings.warmUpSeconds };
    await measureBare(server, load, what, warmUp);
    await measureSink(sink, load, what, warmUp);
    while (runs.length < settings.runs) {
      const bare = await measureBare(server, load, what, settings);
      const run = await measureSink(sink, load, what, settings);
      runs.push({ bare, sink: run });
      const share = (run.eventsPerCpuSecond / bare.requestsPerCpuSecond).toFixed(2);
      options.say(`  run ${runs.length} of ${settings.runs}: ${share} events for each request of the bare server`);
    }
  } catch (cause) {
    throw new Error(`measuring ${what.title}: ${String(cause)}\n${sink.logs()}`, { cause });
  } finally {
    await Promise.all([sink.stop(), server.process.kill()]);
  }
  return { name, title: what.title, eventsPerMessage: what.eventsPerMessage, runs };
}
