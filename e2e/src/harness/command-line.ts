import { join } from 'node:path';
import { startProcess } from '@sink/testing';
import type { Pipeline } from './pipeline.ts';

const MAIN = join(import.meta.dirname, '../../../apps/sink/src/main.ts');

export interface CommandResult {
  readonly code: number | null;
  readonly output: string;
}

/** Runs a command of the sink with the configuration of a pipeline's services, and waits for its exit. */
export async function runCommand(
  sink: Pipeline,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CommandResult> {
  const [service] = sink.of('uploader');
  const command = await startProcess({
    command: process.execPath,
    args: [MAIN, ...args],
    env: { ...service?.environment, ...env },
  });
  const { code } = await command.exited;
  return { code, output: command.output() };
}
