import { Cluster, Command, type Redis, ReplyError } from 'ioredis';
import { type Argument, type InSync, RedisInDoubt, RedisRefused, type RedisPort, type Script } from './port.ts';

/**
 * The port on an ioredis connection, which must neither resend, nor retry, nor queue while offline (docs/protocol.md, part 5).
 * Command names are sent in lower case, by which ioredis recognizes commands that block and replies that differ between
 * RESP2 and RESP3.
 */
export class IoredisPort implements RedisPort {
  readonly #redis: Redis | Cluster;
  readonly inSync?: InSync;

  /** @param inSync the replicas of this connection's master, where Sentinels choose the next one */
  constructor(redis: Redis | Cluster, inSync?: InSync) {
    this.#redis = redis;
    if (inSync) this.inSync = inSync;
  }

  run({ name, lua, sha1 }: Script, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    return translated(name, keys[0], async () => {
      try {
        return await this.#redis.evalsha(sha1, keys.length, ...keys, ...args);
      } catch (error) {
        if (!(isReplyError(error) && error.message.startsWith('NOSCRIPT'))) throw error;
        return await this.#redis.eval(lua, keys.length, ...keys, ...args);
      }
    });
  }

  call(command: string, args: readonly Argument[], key?: string): Promise<unknown> {
    return translated(command, key ?? keyAmong(args), () =>
      key !== undefined && this.#redis instanceof Cluster
        ? callAtKey(this.#redis, command, args, key)
        : this.#redis.call(command.toLowerCase(), ...args),
    );
  }

  callBuffer(command: string, args: readonly Argument[]): Promise<unknown> {
    return translated(command, keyAmong(args), () => this.#redis.callBuffer(command.toLowerCase(), ...args));
  }
}

/** @param key that the action concerns, for messages */
async function translated(action: string, key: string | undefined, call: () => unknown): Promise<unknown> {
  try {
    return await call();
  } catch (error) {
    throw translate(action, error, key);
  }
}

/** The first argument that looks like a key of the sink: for messages only. */
function keyAmong(args: readonly Argument[]): string | undefined {
  return args.find((arg): arg is string => typeof arg === 'string' && arg.startsWith('{'));
}

/**
 * ioredis sends a command without a key to any node of a Cluster: WAIT would ask a node that saw no write. This one is sent
 * to the node of `key`, and to no other node if there is no answer.
 */
function callAtKey(cluster: Cluster, name: string, args: readonly Argument[], key: string): unknown {
  const slot = new Command('GET', [key]).getSlot();
  const command = new Command(name.toLowerCase(), [...args], { replyEncoding: 'utf8' });
  void cluster.sendCommand(command, undefined, { slot });
  return command.promise;
}

/** The error of ioredis for a command that it did not send: the offline queue is off, and there is no connection. */
const NOT_SENT = /^(Stream isn't writeable|Cluster isn't ready) and enableOfflineQueue options is false$/;

function isReplyError(error: unknown): error is Error {
  return error instanceof ReplyError || (error instanceof Error && error.name === 'ReplyError');
}

/** What a user without a permission is told, also inside of a script. */
const NOT_PERMITTED = /^(NOPERM|ERR The user executing the script can't|ERR ACL failure in script:) /;

function translate(action: string, error: unknown, key?: string): Error {
  if (isReplyError(error) && NOT_PERMITTED.test(error.message)) {
    const reply = error.message.replace(/^\w+ /, 'NOPERM ');
    const remedy = '`check` names what this user may not do, and docs/redis.md#permissions has the whole ACL line';
    return new RedisRefused(action, `${reply} [key=${key ?? 'none'}]: ${remedy}`, { cause: error });
  }
  // Apart from UNBLOCKED and EXECABORT, an error reply means that the command did nothing: a script checks before it writes.
  if (isReplyError(error)) return new RedisRefused(action, error.message, { cause: error });
  if (error instanceof Error && NOT_SENT.test(error.message)) {
    return new RedisRefused(action, 'AWAY there is no connection', { cause: error });
  }
  return new RedisInDoubt(action, { cause: error });
}
