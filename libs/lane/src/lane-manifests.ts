import { partitionSpan } from '@sink/domain';
import type { LaneKeys } from './keys.ts';
import type { RedisPort } from './port.ts';
import { asFields } from './reply.ts';
import { type DrawnManifest, drawManifest, type ListedAnswer, manifestListed } from './steps/manifest.ts';
import { oldestChunk } from './steps/oldest.ts';

/** The steps of one lane that have to do with manifests; `commit` is what puts objects on the list. */
export class LaneManifests {
  readonly #redis: RedisPort;
  readonly #keys: LaneKeys;

  constructor(redis: RedisPort, keys: LaneKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Objects that are in no manifest yet, by partition; a field that is not a partition is left out. */
  async waiting(): Promise<Map<string, number>> {
    const counts = Object.entries(asFields(await this.#redis.call('HGETALL', [this.#keys.unlisted])));
    return new Map(
      counts.flatMap(([partition, count]) => (partitionSpan(partition) ? [[partition, Number(count)] as const] : [])),
    );
  }

  /** When the oldest chunk that is not wholly in the bucket was appended (`null`: there is none), and now, by Redis' clock. */
  oldestChunk(): Promise<{ appendedMs: number | null; nowMs: number }> {
    return oldestChunk(this.#redis, this.#keys);
  }

  /**
   * The manifest of a partition that is to be written now: the one that was drawn up, or a new one of all that waits.
   * @returns null if nothing waits, or if another uploader has finished it meanwhile
   * @throws ReceiptUnreadable
   */
  draw(partition: string): Promise<DrawnManifest | null> {
    return drawManifest(this.#redis, this.#keys, partition);
  }

  /** The manifest is stored in the bucket. */
  listed(manifest: Pick<DrawnManifest, 'partition' | 'token'>): Promise<ListedAnswer> {
    return manifestListed(this.#redis, this.#keys, manifest);
  }
}
