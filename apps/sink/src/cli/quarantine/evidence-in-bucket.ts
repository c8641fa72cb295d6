import { readObjectLines, type TimeRange } from '@sink/audit';
import { inRange, keyBounds } from '@sink/audit/time-range';
import { type Evidence, EvidenceUnreadable, evidenceTimeMs, parseEvidence, parseObjectKey } from '@sink/domain';
import type { ObjectReader } from '@sink/objects';

/** An event's folder is that of its acceptance, after the time at which it was refused by at most the hold of a request. */
const HELD_MS_MAX = 5 * 60_000;

/** Evidence, and where it is. */
export interface FoundEvidence {
  readonly evidence: Evidence;
  /** As it is stored. */
  readonly line: string;
  readonly key: string;
}

/** The objects of the quarantine. What is refused appears in them when its segment is closed, as with all events. */
export class EvidenceInBucket {
  readonly #reader: ObjectReader;
  readonly #prefix: string;
  readonly #signal: AbortSignal;

  /** @param prefix `quarantine_prefix` */
  constructor(reader: ObjectReader, prefix: string, signal: AbortSignal) {
    this.#reader = reader;
    this.#prefix = prefix;
    this.#signal = signal;
  }

  /**
   * Calls back with the evidence of events that were refused in this range, an object at a time, in the order of the keys.
   * @throws ObjectStoreError, or an Error for an object that is not what its name says
   */
  async each({ fromMs, toMs }: TimeRange, onEvidence: (found: FoundEvidence) => void | Promise<void>): Promise<void> {
    const range = { fromMs, toMs: toMs === undefined ? undefined : toMs + HELD_MS_MAX };
    for await (const key of this.#keys(range)) {
      const read = await readObjectLines(
        this.#reader,
        key,
        async (line) => {
          const evidence = evidenceOf(line, key);
          const atMs = Date.parse(evidence.time);
          if ((fromMs === undefined || atMs >= fromMs) && (toMs === undefined || atMs < toMs))
            await onEvidence({ evidence, line, key });
        },
        this.#signal,
      );
      if (typeof read === 'string') throw new Error(`the object ${key}: ${read}`);
    }
  }

  /** The evidence with this id; null: there is none, or not yet. */
  async find(id: string): Promise<FoundEvidence | null> {
    const atMs = evidenceTimeMs(id);
    let found: FoundEvidence | null = null;
    await this.each({ fromMs: atMs, toMs: atMs + 1 }, (one) => {
      if (one.evidence.id === id) found = one;
    });
    return found;
  }

  async *#keys(range: TimeRange): AsyncGenerator<string> {
    const bounds = keyBounds(this.#prefix, range);
    for (let after = bounds.after; ;) {
      const page = await this.#reader.list(this.#prefix, after, this.#signal);
      for (const { key } of page) {
        const path = parseObjectKey(this.#prefix, key)?.path;
        if (path !== undefined && inRange(path, range)) yield key;
      }
      const last = page.at(-1);
      if (last === undefined || (bounds.before !== '' && last.key >= bounds.before)) return;
      after = last.key;
    }
  }
}

function evidenceOf(line: string, key: string): Evidence {
  try {
    return parseEvidence(line);
  } catch (error) {
    if (!(error instanceof EvidenceUnreadable)) throw error;
    throw new Error(`a line of the object ${key} is no evidence: ${error.message}`, { cause: error });
  }
}
