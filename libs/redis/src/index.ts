export { awaitRedis, requireRedis } from './await-redis.ts';
export type { AwaitRedisPorts } from './await-redis.ts';
export { connectRedis } from './connect.ts';
export type { ConnectionRole, ConnectOptions } from './connect.ts';
export { examineRedis } from './examine.ts';
export type { RedisExamination } from './examine.ts';
export { RedisNotReady, RedisUnfit } from './redis-unfit.ts';
export type { RedisProblem, RedisProblemCode } from './redis-unfit.ts';
export type { Requirements } from './requirements.ts';
