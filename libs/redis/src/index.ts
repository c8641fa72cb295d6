export { connectRedis } from './connect.ts';
export type { RedisExamination } from './examine.ts';
export { awaitRedis, openRedis, requireRedis } from './open-redis.ts';
export type { ServiceRedis } from './open-redis.ts';
