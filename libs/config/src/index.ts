export { addressOf, type HostPort } from './addresses.ts';
export { readEnvironment, type Environment } from './environment.ts';
export { loadConfig, type ConfigSources } from './load.ts';
export { ConfigError } from './problems.ts';
export type {
  BucketSettings,
  Durability,
  RedisSettings,
  RedisTarget,
  RedisTls,
  S3Bucket,
  SinkConfig,
} from './sink-config.ts';
export { formatBytes, formatDuration } from './units.ts';
