export { addressOf } from './address.ts';
export { ConfigError, type ConfigProblem } from './config-error.ts';
export { describeConfig } from './describe.ts';
export { readEnvironment, type Environment } from './environment.ts';
export type { ReadText } from './config-file.ts';
export { environmentName } from './keys.ts';
export { loadConfig, type ConfigSources } from './load.ts';
export type { HostPort, RedisSettings, RedisTarget, RedisTls } from './redis-settings.ts';
export type {
  AwsCredentials,
  BucketSettings,
  Durability,
  FileBucket,
  LogLevel,
  S3Bucket,
  SinkConfig,
} from './sink-config.ts';
export type { SettingPath } from './settings.ts';
export { formatBytes, formatDuration } from './units.ts';
