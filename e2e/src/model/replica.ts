import { type Argument, RedisInDoubt, type RedisPort, type Script, script } from '@sink/lane';

/** The replica of a sink's Redis: it may lag, and a failover then makes it the primary, without what was written since. */
export class Replica {
  readonly #redis: RedisPort;
  readonly #sinkName: string;
  /** What the replica has while it lags, by key; null: everything. */
  #dumps: Map<string, unknown> | null = null;
  #failovers = 0;
  #newest: string | null = null;
  /** Connections that wrote something the replica does not have. */
  readonly #ahead = new Set<object>();

  constructor(redis: RedisPort, sinkName: string) {
    this.#redis = redis;
    this.#sinkName = sinkName;
  }

  get lags(): boolean {
    return this.#dumps !== null;
  }

  /** The name of the last script whose writes the replica lacks, until it is asked for; null: there was none since. */
  takeNewest(): string | null {
    const newest = this.#newest;
    this.#newest = null;
    return newest;
  }

  /** Runs a script for a connection. WAIT covers only what that connection wrote, so a script that writes nothing does not count. */
  async run(connection: object, one: Script, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    if (!this.lags) return this.#redis.run(one, keys, args);
    const answer = await this.#redis.run(countingWrites(one), keys, args);
    if (!Array.isArray(answer)) return answer;
    const [wrote, own = null] = answer as unknown[];
    if (wrote === 1) {
      this.#ahead.add(connection);
      this.#newest = one.name;
    }
    return own;
  }

  /**
   * WAIT: the function says whether the replica has all writes of the connection. It fails if there was a failover since,
   * because that closes all connections. A client sends WAIT in the same turn in which it got the answer of its write.
   */
  wait(connection: object): () => boolean {
    const failovers = this.#failovers;
    return () => {
      if (this.#failovers > failovers) throw new RedisInDoubt('WAIT');
      return !this.#ahead.has(connection);
    };
  }

  /** From now on the replica gets no more writes. */
  async lag(): Promise<void> {
    const dumps = new Map<string, unknown>();
    for (const key of await this.#keys()) dumps.set(key, await this.#redis.callBuffer('DUMP', [key]));
    this.#dumps = dumps;
  }

  /** The replica becomes the primary: all keys are as it has them. Leases stay as they are, because nothing rests on them. */
  async failOver(): Promise<void> {
    const gone = await this.#keys();
    if (gone.length > 0) await this.#redis.call('DEL', gone);
    for (const [key, dump] of this.#dumps ?? []) {
      if (Buffer.isBuffer(dump)) await this.#redis.call('RESTORE', [key, 0, dump]);
    }
    this.#dumps = null;
    this.#failovers += 1;
    this.#ahead.clear();
  }

  async #keys(): Promise<string[]> {
    const keys: unknown = await this.#redis.call('KEYS', [`?${this.#sinkName}[:}]*`]);
    return (Array.isArray(keys) ? keys.map(String) : []).filter((key) => !key.includes(':lease:'));
  }
}

/** The script, whose answer then says first whether it wrote: Redis counts each change of its data. */
function countingWrites({ name, lua }: Script): Script {
  const flags = /^#!.*\n/.exec(lua)?.[0] ?? '';
  return script(
    name,
    `${flags}local function changes()
  return string.match(redis.call('INFO', 'persistence'), 'rdb_changes_since_last_save:(%d+)')
end
local function run()
${lua.slice(flags.length)}
end
local before = changes()
local answer = run()
if type(answer) == 'table' and answer.err then return answer end
return {changes() == before and 0 or 1, answer}
`,
  );
}
