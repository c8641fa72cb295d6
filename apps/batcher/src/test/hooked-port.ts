import type { Argument, RedisPort, Script } from '@sink/lane';

/** A connection whose calls a test can hold up, fail or watch, by the name of the script or command. */
export class HookedPort implements RedisPort {
  readonly #redis: RedisPort;
  /** Runs before a call is sent. */
  before: (name: string, args: readonly Argument[]) => Promise<void> = async () => undefined;
  /** Runs before its answer is given. */
  after: (name: string) => Promise<void> = async () => undefined;

  constructor(redis: RedisPort) {
    this.#redis = redis;
  }

  run(script: Script, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    return this.#hooked(script.name, args, () => this.#redis.run(script, keys, args));
  }

  call(command: string, args: readonly Argument[], key?: string): Promise<unknown> {
    return this.#hooked(command, args, () => this.#redis.call(command, args, key));
  }

  callBuffer(command: string, args: readonly Argument[]): Promise<unknown> {
    return this.#hooked(command, args, () => this.#redis.callBuffer(command, args));
  }

  async #hooked(name: string, args: readonly Argument[], call: () => Promise<unknown>): Promise<unknown> {
    await this.before(name, args);
    const answer = await call();
    await this.after(name);
    return answer;
  }
}
