export { ConfigError, type ConfigProblem } from './config-error.ts';
export { readEnvironment, type Environment } from './environment.ts';
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
