import { createHash } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { crc32 } from 'node:zlib';
import {
  evidenceId,
  ID_RANDOM_BYTES,
  parseRetryMarkerKey,
  RETRIES_FOLDER,
  retryMarkerKey,
  type RetryMarkerName,
  retryMarkerStart,
} from '@sink/domain';
import { type ObjectReader, type ObjectStore, ObjectStoreError } from '@sink/objects';

const NO_BYTES = Buffer.alloc(ID_RANDOM_BYTES);

/** What a lane is told to store: which writer appends it under its first sequence, and where. */
export interface RetryPart {
  readonly lane: number;
  readonly writer: string;
  readonly events: number;
}

/** Put before anything is stored. */
export interface BegunMarker {
  readonly v: 1;
  readonly id: string;
  readonly attempt: number;
  /** RFC 3339, UTC. */
  readonly begunAt: string;
  /** Of the lines that are to be stored, each with its LF. */
  readonly sha256: string;
  readonly partition: string;
  readonly acceptedAtMs: number;
  /** Over how many lanes fingerprints distribute the lines; 0: all are in one lane. A change of the configuration changes nothing. */
  readonly byFingerprintOver: number;
  readonly parts: readonly RetryPart[];
}

/** Put when all is stored. */
export interface StoredMarker {
  readonly v: 1;
  readonly id: string;
  readonly attempt: number;
  readonly storedAt: string;
  readonly events: number;
  /** Events among them that had been stored within dedupe_window, and were not stored again. */
  readonly duplicates: number;
}

/** The markers of retries, which are objects below `quarantine_prefix`. */
export class RetryMarkers {
  readonly #reader: ObjectReader;
  readonly #store: ObjectStore;
  readonly #prefix: string;
  readonly #signal: AbortSignal;

  constructor(reader: ObjectReader, store: ObjectStore, prefix: string, signal: AbortSignal) {
    this.#reader = reader;
    this.#store = store;
    this.#prefix = prefix;
    this.#signal = signal;
  }

  /** All markers of events that were refused from then on, in the order of their keys. */
  async *from(fromMs: number): AsyncGenerator<RetryMarkerName> {
    yield* this.#list(
      `${this.#prefix}${RETRIES_FOLDER}`,
      retryMarkerStart(this.#prefix, evidenceId(fromMs, 0, NO_BYTES)),
    );
  }

  async of(id: string): Promise<RetryMarkerName[]> {
    const start = retryMarkerStart(this.#prefix, id);
    return Array.fromAsync(this.#list(start, start));
  }

  async begun(id: string, attempt: number): Promise<BegunMarker> {
    return (await this.#read({ id, attempt, state: 'begun' })) as BegunMarker;
  }

  async stored(id: string, attempt: number): Promise<StoredMarker> {
    return (await this.#read({ id, attempt, state: 'stored' })) as StoredMarker;
  }

  /** Puts the marker unless there is one. @returns false: there is one with other content */
  async put(state: RetryMarkerName['state'], marker: BegunMarker | StoredMarker): Promise<boolean> {
    const { id, attempt } = marker;
    const body = Buffer.from(`${JSON.stringify(marker)}\n`);
    try {
      await this.#store.put(
        {
          key: retryMarkerKey(this.#prefix, { id, attempt, state }),
          body,
          objectBytes: body.length,
          crc32: crc32(body),
          contentType: 'application/json',
          contentHash: createHash('sha256').update(body).digest('hex'),
          segmentId: id,
        },
        this.#signal,
      );
      return true;
    } catch (error) {
      if (error instanceof ObjectStoreError && error.code === 'key_taken') return false;
      throw error;
    }
  }

  async #read(name: RetryMarkerName): Promise<unknown> {
    const key = retryMarkerKey(this.#prefix, name);
    const object = await this.#reader.get(key, this.#signal);
    if (object === null) throw new Error(`the marker ${key} has disappeared`);
    return JSON.parse(await text(object));
  }

  async *#list(prefix: string, start: string): AsyncGenerator<RetryMarkerName> {
    for (let after = start; ;) {
      const page = await this.#reader.list(prefix, after, this.#signal);
      for (const { key } of page) {
        const name = parseRetryMarkerKey(this.#prefix, key);
        if (name !== null) yield name;
      }
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.key;
    }
  }
}
