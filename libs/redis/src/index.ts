export { connectRedis } from './connect.ts';
export type { RedisExamination } from './examine.ts';
export { awaitRedis, openRedis } from './open-redis.ts';
export type { ServiceRedis } from './open-redis.ts';
export { describeOtherSinks } from './other-sinks.ts';
export { aclRules, triedCommands } from './permissions.ts';
export { requireRedis } from './require-redis.ts';
export { registerFailoverMetrics } from './failover/metrics.ts';
export { registerMemoryMetrics } from './memory-metrics.ts';
