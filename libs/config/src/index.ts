export { addressOf } from './addresses.ts';
export { describeConfigFile } from './config-file.ts';
export { readEnvironment, type Environment } from './environment.ts';
export { loadConfig } from './load.ts';
export { ConfigError } from './problems.ts';
export type { ConfigProblem } from './problems.ts';
export type { Durability, RedisSettings, RedisTarget, RedisTls, SinkConfig } from './sink-config.ts';
export { formatBytes, formatDuration } from './units.ts';
