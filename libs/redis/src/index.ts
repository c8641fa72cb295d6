export { awaitRedis, requireRedis } from './await-redis.ts';
export type { AwaitRedisPorts } from './await-redis.ts';
export { connectRedis } from './connect.ts';
export type { ConnectionRole, ConnectOptions } from './connect.ts';
export { examineRedis, RedisUnfit } from './examine.ts';
export type { RedisExamination, Requirements } from './examine.ts';
