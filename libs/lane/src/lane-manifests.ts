import { parseReceipt, partitionSpan, type Receipt } from '@sink/domain';
import { type LaneKeys, manifestKeys } from './keys.ts';
import { type RedisPort, UnexpectedAnswer } from './port.ts';
import { asFields, asList, asText } from './reply.ts';
import { draw, listed, oldestChunk } from './scripts/manifest.ts';

/** What a manifest lists: decided, and the same for whoever reads it. */
export interface DrawnManifest {
  readonly partition: string;
  /** Of this set of receipts, and of no other. */
  readonly token: string;
  readonly receipts: readonly Receipt[];
}

/** The steps of one lane that have to do with manifests; `commit` is what puts objects on the list. */
export class LaneManifests {
  readonly #redis: RedisPort;
  readonly #keys: LaneKeys;

  constructor(redis: RedisPort, keys: LaneKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Objects that stand in no manifest yet, by partition; what is no partition is left alone. */
  async waiting(): Promise<Map<string, number>> {
    const counts = Object.entries(asFields(await this.#redis.call('HGETALL', [this.#keys.unlisted])));
    return new Map(
      counts.flatMap(([partition, count]) => (partitionSpan(partition) ? [[partition, Number(count)] as const] : [])),
    );
  }

  /** When the oldest chunk that is not wholly in the bucket was appended (`null`: there is none), and now; Redis' clock. */
  async oldestChunk(): Promise<{ appendedMs: number | null; nowMs: number }> {
    const answer = await this.#redis.run(oldestChunk, [this.#keys.chunks], []);
    const [now, id] = asList(answer);
    const text = asText(id) ?? '';
    return { appendedMs: text === '' ? null : Number(text.split('-', 1)[0]), nowMs: Number(asText(now)) };
  }

  /**
   * The manifest of a partition that is to be written now: the one that is drawn up, or a new one of all that waits.
   * @returns null when nothing waits, or somebody else has finished it meanwhile
   * @throws ReceiptUnreadable
   */
  async draw(partition: string): Promise<DrawnManifest | null> {
    const { ofPartition, listing } = manifestKeys(this.#keys, partition);
    const drawn = asText(await this.#redis.run(draw, [ofPartition, listing], []));
    if (drawn === null) return null;
    const { '': found, ...receipts } = asFields(await this.#redis.call('HGETALL', [listing]));
    if (asText(found) !== drawn) return null;
    return {
      partition,
      token: drawn,
      receipts: Object.values(receipts).map((json) => parseReceipt(asText(json) ?? '')),
    };
  }

  /** The manifest stands in the bucket. */
  async listed({ partition, token }: Pick<DrawnManifest, 'partition' | 'token'>): Promise<'listed' | 'gone'> {
    const { ofPartition, listing } = manifestKeys(this.#keys, partition);
    const answer = await this.#redis.run(listed, [this.#keys.unlisted, ofPartition, listing], [partition, token]);
    if (answer === 'listed' || answer === 'gone') return answer;
    throw new UnexpectedAnswer(`finishing the manifest of ${partition}`, answer);
  }
}
