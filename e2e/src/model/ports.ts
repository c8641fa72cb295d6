import type { Argument, RedisPort, Script } from '@sink/lane';
import type { ObjectStore, ObjectToPut } from '@sink/objects';
import { createHash } from 'node:crypto';
import type { Replica } from './replica.ts';
import type { Actor, Scheduler } from './scheduler.ts';

/**
 * An actor's connection to the real Redis, through the scheduler. A read never blocks in Redis: an actor that finds nothing
 * waits here. The replica answers WAIT.
 */
export function scheduledRedis(scheduler: Scheduler, actor: Actor, redis: RedisPort, replica: Replica): RedisPort {
  const connection = {};
  const blocking = async (command: string, args: readonly Argument[], at: number): Promise<unknown> => {
    const unblocked = [...args.slice(0, at), ...args.slice(at + 2)];
    const reply = await scheduler.remote(actor, command, () => redis.callBuffer(command, unblocked));
    if (reply === null) await scheduler.sleep(actor, Number(args[at + 1]));
    return reply;
  };
  return {
    run: (script: Script, keys, args) =>
      scheduler.remote(actor, script.name, () => replica.run(connection, script, keys, args)),
    call: (command, args) => {
      if (command !== 'WAIT') return scheduler.remote(actor, command, () => redis.call(command, args));
      const replicated = replica.wait(connection);
      return scheduler.remote(actor, command, async () => (replicated() ? 1 : 0));
    },
    callBuffer: (command, args) => {
      const at = args.indexOf('BLOCK');
      if (at !== -1) return blocking(command, args, at);
      return scheduler.remote(actor, command, () => redis.callBuffer(command, args));
    },
  };
}

export class PutLost extends Error {
  readonly retryable = true;
}

/** The bucket. It reports a PUT of other bytes under a key that exists. */
export class Bucket {
  readonly objects = new Map<string, Buffer>();
  readonly manifests = new Map<string, Buffer>();
  /** Every request fails. */
  away = false;
  readonly #onViolation: (violation: string) => void;

  constructor(onViolation: (violation: string) => void) {
    this.#onViolation = onViolation;
  }

  /** @param fate of a PUT, uniform in [0, 1): the lowest values fail, before or after the object is stored */
  store(scheduler: Scheduler, actor: Actor, fate: (isManifest: boolean) => number): ObjectStore {
    return {
      put: async (object) => {
        const body = object.body;
        if (!Buffer.isBuffer(body)) throw new Error('the model puts buffers');
        const outcome = scheduler.calm ? 1 : fate(isManifest(object.key));
        if (this.away || outcome < 0.08) return scheduler.local(actor, 'PUT fails', () => lost());
        const existed = await scheduler.local(actor, 'PUT', () => this.#put(object, body));
        if (outcome < 0.16) return scheduler.local(actor, 'PUT answer lost', () => lost());
        return { etag: 'etag', existed };
      },
      find: (key, contentHash) =>
        scheduler.local(actor, 'HEAD', () => {
          if (this.away) return lost();
          const stored = this.#kept(key).get(key);
          return stored && sha256(stored) === contentHash ? { etag: 'etag', objectBytes: stored.length } : null;
        }),
      check: () => Promise.reject(new Error('the model checks no bucket')),
      close: () => undefined,
    };
  }

  #put(object: ObjectToPut, body: Buffer): boolean {
    if (sha256(body) !== object.contentHash) this.#onViolation(`PUT of other bytes than were sealed: ${object.key}`);
    const kept = this.#kept(object.key);
    const stored = kept.get(object.key);
    if (stored && !stored.equals(body)) this.#onViolation(`key with two contents: ${object.key}`);
    kept.set(object.key, body);
    return stored !== undefined;
  }

  #kept(key: string): Map<string, Buffer> {
    return isManifest(key) ? this.manifests : this.objects;
  }
}

function isManifest(key: string): boolean {
  return key.includes('/_manifest-');
}

function lost(): never {
  throw new PutLost('putting object: connection lost');
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
