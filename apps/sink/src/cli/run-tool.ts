import { type Environment, loadConfig, type SinkConfig } from '@sink/config';
import { createLogger, systemClock } from '@sink/runtime';
import type { FlushCall } from '@sink/lane';
import { attachRedis } from './attached-redis.ts';
import { runFlush } from './flush.ts';
import { StopSignals } from '../supervisor/stop-signals.ts';
import { type QuarantineCommand, runQuarantine } from './quarantine/quarantine.ts';
import { runUploads, type UploadsCommand } from './uploads.ts';
import { runVerify, type VerifyCommand } from './verify.ts';

export type ToolCommand = { readonly configFile: string | null } & (
  | { readonly kind: 'verify'; readonly asked: VerifyCommand }
  | { readonly kind: 'uploads'; readonly asked: UploadsCommand }
  | { readonly kind: 'flush'; readonly asked: FlushCall }
  | { readonly kind: 'quarantine'; readonly asked: QuarantineCommand }
);

/**
 * Runs a tool on the sink's Redis, whether the sink runs or not.
 * @throws ConfigError, StartError
 */
export async function runTool(command: ToolCommand, env: Environment): Promise<number> {
  const load = (more: Environment): SinkConfig =>
    loadConfig({ ...(command.configFile === null ? {} : { file: command.configFile }), env: { ...env, ...more } });
  // A tool that is stopped still stops the Redis it started and removes its temporary files.
  const { stop } = new StopSignals(systemClock, createLogger({ service: 'sink', level: 'error', secrets: [] }));
  const write = (text: string | Buffer): void => void process.stdout.write(text);
  // Only a retry needs Redis.
  if (command.kind === 'quarantine' && command.asked.action !== 'retry')
    return runQuarantine(load({}), command.asked, write, stop);
  const redis = await attachRedis(load({}), env, stop);
  try {
    const config = load(redis.url === null ? {} : { SINK_REDIS_URL: redis.url });
    switch (command.kind) {
      case 'verify':
        return await runVerify(config, command.asked, write, stop);
      case 'uploads':
        return await runUploads(config, command.asked, write);
      case 'flush':
        return await runFlush(config, command.asked, write, stop);
      case 'quarantine':
        return await runQuarantine(config, command.asked, write, stop);
    }
  } finally {
    await redis.release();
  }
}
