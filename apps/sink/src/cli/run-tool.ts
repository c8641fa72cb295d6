import { type Environment, loadConfig, type SinkConfig } from '@sink/config';
import { createLogger, systemClock } from '@sink/runtime';
import { attachRedis } from './attached-redis.ts';
import { StopSignals } from '../supervisor/stop-signals.ts';
import { runUploads, type UploadsCommand } from './uploads.ts';
import { runVerify, type VerifyCommand } from './verify.ts';

export type ToolCommand = { readonly configFile: string | null } & (
  | { readonly kind: 'verify'; readonly asked: VerifyCommand }
  | { readonly kind: 'uploads'; readonly asked: UploadsCommand }
);

/**
 * Runs a tool beside the sink, or without it: on the Redis of the configuration, or the sink's own.
 * @throws ConfigError, StartError
 */
export async function runTool(command: ToolCommand, env: Environment): Promise<number> {
  const load = (more: Environment): SinkConfig =>
    loadConfig({ ...(command.configFile === null ? {} : { file: command.configFile }), env: { ...env, ...more } });
  // What a tool has started, and its temporary files, go with it when somebody stops it.
  const { stop } = new StopSignals(systemClock, createLogger({ service: 'sink', level: 'error', secrets: [] }));
  const redis = await attachRedis(load({}), env, stop);
  try {
    const config = load(redis.url === null ? {} : { SINK_REDIS_URL: redis.url });
    const write = (text: string): void => void process.stdout.write(text);
    switch (command.kind) {
      case 'verify':
        return await runVerify(config, command.asked, write, stop);
      case 'uploads':
        return await runUploads(config, command.asked, write);
    }
  } finally {
    await redis.release();
  }
}
