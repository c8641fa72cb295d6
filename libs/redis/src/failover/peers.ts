import type { RedisSettings } from '@sink/config';
import type { Redis } from 'ioredis';
import { connectInstance, connectSentinel, QUESTION_TIMEOUT_MS, type SentinelTarget } from './questions.ts';
import { parseReplication, type Replication } from './replication.ts';

/** What the Sentinels say. Addresses are `host:port`, as Redis and Sentinel announce them. */
export interface SentinelsWord {
  readonly master: string;
  readonly replicas: readonly string[];
}

/** Why a server says nothing about itself: nothing listens there; it did not answer in time; it refuses the login or INFO. */
export type NoWord = 'gone' | 'silent' | 'denied';

/** Asks the other servers of a master's name, and its Sentinels. */
export interface Peers {
  ask(address: string): Promise<Replication | NoWord>;
  /** Null: no Sentinel answers. */
  askSentinels(): Promise<SentinelsWord | null>;
}

interface OneSentinelsWord extends SentinelsWord {
  readonly epoch: number;
}

/** Every question is one short connection: they are asked only when something changes. Equal questions share an answer. */
export class RedisPeers implements Peers {
  readonly #current: () => RedisSettings;
  readonly #target: SentinelTarget;
  readonly #asked = new Map<string, Promise<unknown>>();

  /** @param current the settings as they are now */
  constructor(current: () => RedisSettings, target: SentinelTarget) {
    this.#current = current;
    this.#target = target;
  }

  ask(address: string): Promise<Replication | NoWord> {
    return this.#shared(address, () =>
      answerOf(
        connectInstance(this.#current(), address),
        async (redis) => parseReplication(await redis.info('replication')),
        noWordFrom,
      ),
    );
  }

  askSentinels(): Promise<SentinelsWord | null> {
    return this.#shared('sentinels', async () => {
      const { sentinels, masterName } = this.#target;
      const asked = sentinels.map((node) =>
        answerOf(
          connectSentinel(this.#current(), node),
          (redis) => wordOf(redis, masterName),
          () => null,
        ),
      );
      const words = (await Promise.all(asked)).filter((word) => word !== null);
      // The newest configuration is that of the highest epoch: the others hear of it within a second or two.
      const newest = words.reduce<OneSentinelsWord | null>(
        (best, word) => (best && best.epoch >= word.epoch ? best : word),
        null,
      );
      return newest && { master: newest.master, replicas: [...new Set(words.flatMap(({ replicas }) => replicas))] };
    });
  }

  #shared<Answer>(question: string, ask: () => Promise<Answer>): Promise<Answer> {
    const asked = this.#asked.get(question);
    if (asked) return asked as Promise<Answer>;
    const answer = ask().finally(() => this.#asked.delete(question));
    this.#asked.set(question, answer);
    return answer;
  }
}

/** The answer, or why there is none, in time: a server that hangs accepts the connection, and does not end it either. */
async function answerOf<Answer, Otherwise>(
  redis: Redis,
  ask: (redis: Redis) => Promise<Answer>,
  otherwise: (error: unknown) => Otherwise,
): Promise<Answer | Otherwise> {
  let cause: unknown;
  redis.on('error', (error) => (cause = error)); // the call fails too, and does not say why
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error('no answer in time')), QUESTION_TIMEOUT_MS);
  try {
    return await Promise.race([late.promise, redis.connect().then(() => ask(redis))]);
  } catch (error) {
    return otherwise(error instanceof Error && error.name === 'ReplyError' ? error : (cause ?? error));
  } finally {
    clearTimeout(timer);
    redis.disconnect();
  }
}

function noWordFrom(error: unknown): NoWord {
  if (!(error instanceof Error)) return 'silent';
  if (error.name === 'ReplyError') return 'denied';
  return 'code' in error && error.code === 'ECONNREFUSED' ? 'gone' : 'silent';
}

/** SENTINEL MASTER has the epoch, but only the other command has a new master before its failover has ended. */
async function wordOf(sentinel: Redis, masterName: string): Promise<OneSentinelsWord> {
  const [address, master, replicas] = await Promise.all([
    sentinel.call('sentinel', 'get-master-addr-by-name', masterName),
    sentinel.call('sentinel', 'master', masterName),
    sentinel.call('sentinel', 'replicas', masterName),
  ]);
  const [host = '', port = ''] = Array.isArray(address) ? address.map(String) : [];
  const list = Array.isArray(replicas) ? replicas.map(fieldsOf) : [];
  return {
    master: `${host}:${port}`,
    epoch: Number(fieldsOf(master).get('config-epoch') ?? 0),
    replicas: list.map((fields) => `${fields.get('ip') ?? ''}:${fields.get('port') ?? ''}`),
  };
}

function fieldsOf(reply: unknown): ReadonlyMap<string, string> {
  const values = Array.isArray(reply) ? reply.map(String) : [];
  return new Map(values.flatMap((name, at) => (at % 2 === 0 ? [[name, values[at + 1] ?? ''] as const] : [])));
}
