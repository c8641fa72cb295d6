import type { SegmentWriterPort, SpoolFolders, SpoolPort } from '@sink/batcher';
import { parseRecord } from '@sink/domain';
import type { Argument, RedisPort, Script } from '@sink/lane';
import type { ObjectStore, ObjectToPut } from '@sink/objects';
import type { SpoolFilesPort } from '@sink/uploader';
import type { SegmentState } from '@sink/spool';
import { createHash } from 'node:crypto';
import { Jobs } from './jobs.ts';
import type { Actor, Scheduler } from './scheduler.ts';

/** An actor's connection to the real Redis, by way of the scheduler. A read never blocks: who found nothing waits here. */
export function scheduledRedis(scheduler: Scheduler, actor: Actor, redis: RedisPort): RedisPort {
  const blocking = async (command: string, args: readonly Argument[], at: number): Promise<unknown> => {
    const unblocked = [...args.slice(0, at), ...args.slice(at + 2)];
    const reply = await scheduler.remote(actor, command, () => redis.callBuffer(command, unblocked));
    if (reply === null) await scheduler.sleep(actor, Number(args[at + 1]));
    return reply;
  };
  return {
    run: (script: Script, keys, args) => scheduler.remote(actor, script.name, () => redis.run(script, keys, args)),
    call: (command, args) => scheduler.remote(actor, command, () => redis.call(command, args)),
    callBuffer: (command, args) => {
      const at = args.indexOf('BLOCK');
      if (at !== -1) return blocking(command, args, at);
      return scheduler.remote(actor, command, () => redis.callBuffer(command, args));
    },
  };
}

interface SpoolFile {
  content: Buffer;
  state: SegmentState;
  record: string;
}

/** A machine's disk: what was sealed survives its processes. */
export class SpoolDisk {
  readonly folders = new Map<string, Map<string, SpoolFile>>();
  readonly spoolId: string;
  /** Uploads of what was spilled here. */
  readonly spilledJobs = new Jobs();

  constructor(spoolId: string) {
    this.spoolId = spoolId;
  }

  get files(): number {
    return [...this.folders.values()].reduce((sum, folder) => sum + folder.size, 0);
  }

  /** What an operator may clear at any time: all that stands elsewhere too. */
  clearSuperfluous(): void {
    for (const folder of this.folders.values()) {
      for (const [segmentId, { state }] of folder) if (state !== 'spilled') folder.delete(segmentId);
    }
  }

  /** The disk of one instance, as the batcher uses it. */
  spool(scheduler: Scheduler, actor: Actor, instance: string): SpoolPort {
    const folder = new Map<string, SpoolFile>();
    this.folders.set(instance, folder);
    return {
      instance,
      createSegment: ({ segmentId }) =>
        scheduler.local(actor, 'create segment file', () => {
          const file: SpoolFile = { content: Buffer.alloc(0), state: 'open', record: '' };
          folder.set(segmentId, file);
          return segmentWriter(scheduler, actor, folder, segmentId, file);
        }),
      removeSealed: (segmentId) =>
        scheduler.local(actor, 'remove refused file', () => {
          if (folder.get(segmentId)?.state === 'sealed') folder.delete(segmentId);
        }),
    };
  }

  /** As those see it who look after its files. */
  caretaker(scheduler: Scheduler, actor: Actor): SpoolFolders {
    const fileOf = (instance: string, segmentId: string): SpoolFile | undefined =>
      this.folders.get(instance)?.get(segmentId);
    const change = (action: string, from: SegmentState, to: SegmentState) => (instance: string, segmentId: string) =>
      scheduler.local(actor, action, () => {
        const file = fileOf(instance, segmentId);
        if (file?.state === from) file.state = to;
        return file?.state === to;
      });
    return {
      instances: () => scheduler.local(actor, 'list spool', () => [...this.folders.keys()]),
      files: (instance) =>
        scheduler.local(actor, 'list folder', () =>
          [...(this.folders.get(instance) ?? [])].map(([segmentId, { state }]) => ({ segmentId, state })),
        ),
      remove: (instance, { segmentId, state }) =>
        scheduler.local(actor, 'tidy file', () => {
          if (fileOf(instance, segmentId)?.state === state) this.folders.get(instance)?.delete(segmentId);
        }),
      removeIfEmpty: async () => true,
      examine: (instance, segmentId) =>
        scheduler.local(actor, 'examine file', () => {
          const file = fileOf(instance, segmentId);
          if (file?.state !== 'sealed' && file?.state !== 'spilled') return { kind: 'missing' as const };
          const object = { body: file.content, objectBytes: file.content.length, crc32: 0 };
          return { kind: 'sound' as const, state: file.state, record: parseRecord(file.record), object };
        }),
      mark: change('mark file as spilled', 'sealed', 'spilled'),
      quarantine: change('quarantine file', 'spilled', 'quarantined'),
    };
  }

  /** As the uploader reads it. */
  uploader(scheduler: Scheduler, actor: Actor): SpoolFilesPort {
    return {
      open: ({ spool: instance, id: segmentId }) =>
        scheduler.local(actor, 'open segment file', () => {
          const file = this.folders.get(instance)?.get(segmentId);
          if (file?.state !== 'sealed' && file?.state !== 'spilled') return null;
          return { body: file.content, objectBytes: file.content.length, crc32: 0 };
        }),
      unmark: ({ spool: instance, id: segmentId }) =>
        scheduler.local(actor, 'unmark file', () => {
          const file = this.folders.get(instance)?.get(segmentId);
          if (file?.state === 'spilled') file.state = 'sealed';
        }),
      remove: ({ spool: instance, id: segmentId }) =>
        scheduler.local(actor, 'remove segment file', () => {
          const state = this.folders.get(instance)?.get(segmentId)?.state;
          if (state === 'sealed' || state === 'spilled') this.folders.get(instance)?.delete(segmentId);
        }),
    };
  }
}

function segmentWriter(
  scheduler: Scheduler,
  actor: Actor,
  folder: Map<string, SpoolFile>,
  segmentId: string,
  file: SpoolFile,
): SegmentWriterPort {
  return {
    write: (ndjson) => {
      file.content = Buffer.concat([file.content, ndjson]);
    },
    finish: () =>
      scheduler.local(actor, 'finish segment file', () => ({
        sha256: sha256(file.content),
        contentBytes: file.content.length,
        objectBytes: file.content.length,
        crc32: 0,
      })),
    seal: (record) =>
      scheduler.local(actor, 'seal segment file', () => {
        if (!folder.has(segmentId))
          throw Object.assign(new Error('the folder is gone'), { code: 'spool_gone', retryable: true });
        Object.assign(file, { record, state: 'sealed' });
      }),
    discard: () =>
      scheduler.local(actor, 'discard segment file', () => {
        if (file.state === 'open') folder.delete(segmentId);
      }),
  };
}

export class PutLost extends Error {
  readonly retryable = true;
}

/** The bucket: it keeps conditional puts, and remembers when a key was offered other bytes. */
export class Bucket {
  readonly objects = new Map<string, Buffer>();
  readonly manifests = new Map<string, Buffer>();
  /** Every request fails. */
  away = false;
  readonly #onViolation: (violation: string) => void;

  constructor(onViolation: (violation: string) => void) {
    this.#onViolation = onViolation;
  }

  store(scheduler: Scheduler, actor: Actor, fate: () => number): ObjectStore {
    return {
      put: async (object) => {
        const body = object.body;
        if (!Buffer.isBuffer(body)) throw new Error('the model puts buffers');
        const outcome = scheduler.calm ? 1 : fate();
        if (this.away || outcome < 0.08) return scheduler.local(actor, 'PUT fails', () => lost());
        const existed = await scheduler.local(actor, 'PUT', () => this.#put(object, body));
        if (outcome < 0.16) return scheduler.local(actor, 'PUT answer lost', () => lost());
        return { etag: 'etag', existed };
      },
      find: (key, contentHash) =>
        scheduler.local(actor, 'HEAD', () => {
          if (this.away) return lost();
          const stands = this.#kept(key).get(key);
          return stands && sha256(stands) === contentHash ? { etag: 'etag', objectBytes: stands.length } : null;
        }),
      check: () => Promise.reject(new Error('the model checks no bucket')),
      close: () => undefined,
    };
  }

  #put(object: ObjectToPut, body: Buffer): boolean {
    if (sha256(body) !== object.contentHash) this.#onViolation(`PUT of other bytes than were sealed: ${object.key}`);
    const kept = this.#kept(object.key);
    const stands = kept.get(object.key);
    if (stands && !stands.equals(body)) this.#onViolation(`key with two contents: ${object.key}`);
    kept.set(object.key, body);
    return stands !== undefined;
  }

  #kept(key: string): Map<string, Buffer> {
    return key.includes('/_manifest-') ? this.manifests : this.objects;
  }
}

function lost(): never {
  throw new PutLost('putting object: connection lost');
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
