import { type Destination, destinationOfList, type Receipt } from '@sink/domain';
import { manifestKeys } from './keys.ts';
import { LaneView, type StoredRecord } from './lane-view.ts';
import { asFields, asList, asText } from './reply.ts';
import { type DurabilityBarrier, reachedAfterWrite } from './steps/barrier.ts';
import { commit, type CommitAnswer } from './steps/commit.ts';
import { renewLease, takeLease } from './steps/lease.ts';
import { type DrawnManifest, drawManifest, drawnToken, type ListedAnswer, manifestListed } from './steps/manifest.ts';
import { type OldestChunk, oldestChunk } from './steps/oldest.ts';
import { redirect, type RedirectAnswer } from './steps/redirect.ts';

/** The steps that an uploader may take on a lane. */
export class UploaderLane extends LaneView {
  /**
   * @param listIn the destination whose manifest has to list the object; absent: no manifest has to
   * @param place where the object is stored, as `placeOf` of libs/objects names it; '': the receipt does not say it
   */
  commit(receipt: Receipt, receiptsMax: number, listIn?: Destination, place = ''): Promise<CommitAnswer> {
    return commit(this.redis, this.keys, receipt, { receiptsMax, listIn, place });
  }

  /** A sealed segment is to be stored in another bucket. The record of version 1 names none, and follows the configuration. */
  redirect(found: StoredRecord, bucket: string): Promise<RedirectAnswer> {
    return redirect(this.redis, this.keys, found, bucket);
  }

  /**
   * Whether everything that is in the lane now, written by any process, is as durable as asked for. It writes a value of
   * its own: a durability barrier that covers this write covers all writes before it.
   */
  reachedAfterWrite(barrier: DurabilityBarrier): Promise<boolean> {
    return reachedAfterWrite(this.redis, this.keys, barrier);
  }

  /** Takes the lease of a spool directory: an uploader is alive on it. */
  takeLease(name: string, ttlMs: number): Promise<void> {
    return takeLease(this.redis, this.keys, name, ttlMs);
  }

  /** False once the lease is gone. */
  renewLease(name: string, ttlMs: number): Promise<boolean> {
    return renewLease(this.redis, this.keys, name, ttlMs);
  }

  /** How many objects of each destination are in no manifest yet; a field that is not one of `listOf` is left out. */
  async unlisted(): Promise<readonly { readonly destination: Destination; readonly objects: number }[]> {
    const counts = Object.entries(asFields(await this.redis.call('HGETALL', [this.keys.unlisted])));
    return counts.flatMap(([list, count]) => {
      const destination = destinationOfList(list);
      return destination === null ? [] : [{ destination, objects: Number(count) }];
    });
  }

  /** The oldest chunk, of the routes that are asked for, that is not wholly in the bucket: `oldestChunk` of the steps. */
  oldestChunk(isAskedFor?: (route: string) => boolean, after?: string): Promise<OldestChunk> {
    return oldestChunk(this.redis, this.keys, isAskedFor, after);
  }

  /** When the youngest object of a destination that waits for a manifest was stored: Unix time in milliseconds; 0 if unknown. */
  async lastStoredMs(destination: Destination): Promise<number> {
    const { waitingIn, listing } = manifestKeys(this.keys, destination);
    const receipts = [];
    for (const key of [waitingIn, listing]) receipts.push(...asList(await this.redis.call('HVALS', [key])));
    // Found in the text: a manifest that cannot be read is for the one that writes it.
    return Math.max(0, ...receipts.map((json) => Number(/"storedAtMs":(\d+)/.exec(asText(json) ?? '')?.[1] ?? 0)));
  }

  /**
   * The manifest of a destination that is to be written now: the one that was drawn up, or a new one of all that waits.
   * @returns null if nothing waits, or if another uploader has finished it meanwhile
   * @throws ReceiptUnreadable
   */
  drawManifest(destination: Destination): Promise<DrawnManifest | null> {
    return drawManifest(this.redis, this.keys, destination);
  }

  /** Whether this manifest is the one that is drawn up: a failover may have lost it since. */
  async isDrawn({ destination, token }: Pick<DrawnManifest, 'destination' | 'token'>): Promise<boolean> {
    return (await drawnToken(this.redis, this.keys, destination)) === token;
  }

  /** The manifest is stored in the bucket. */
  manifestListed(manifest: Pick<DrawnManifest, 'destination' | 'token'>): Promise<ListedAnswer> {
    return manifestListed(this.redis, this.keys, manifest);
  }
}
