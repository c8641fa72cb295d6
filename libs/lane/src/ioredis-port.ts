import { type Cluster, type Redis, ReplyError } from 'ioredis';
import { type Argument, RedisInDoubt, RedisRefused, type RedisPort } from './port.ts';
import type { Script } from './scripts/script.ts';

/** The port on an ioredis connection (which must neither resend, nor retry, nor queue while offline: design, "Connections"). */
export class IoredisPort implements RedisPort {
  readonly #redis: Redis | Cluster;

  constructor(redis: Redis | Cluster) {
    this.#redis = redis;
  }

  async run(script: Script, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    try {
      return await this.#redis.evalsha(script.sha1, keys.length, ...keys, ...args);
    } catch (error) {
      if (!(isReplyError(error) && error.message.startsWith('NOSCRIPT'))) throw translate(script.name, error);
    }
    try {
      return await this.#redis.eval(script.lua, keys.length, ...keys, ...args);
    } catch (error) {
      throw translate(script.name, error);
    }
  }

  async call(command: string, args: readonly Argument[]): Promise<unknown> {
    try {
      return await this.#redis.call(command, ...args);
    } catch (error) {
      throw translate(command, error);
    }
  }

  async callBuffer(command: string, args: readonly Argument[]): Promise<unknown> {
    try {
      return await this.#redis.callBuffer(command, ...args);
    } catch (error) {
      throw translate(command, error);
    }
  }
}

function isReplyError(error: unknown): error is Error {
  return error instanceof ReplyError || (error instanceof Error && error.name === 'ReplyError');
}

function translate(action: string, error: unknown): Error {
  // UNBLOCKED and EXECABORT aside, an error reply means the command did nothing; a script checks all before it writes.
  if (isReplyError(error)) return new RedisRefused(action, error.message, { cause: error });
  return new RedisInDoubt(action, { cause: error });
}
