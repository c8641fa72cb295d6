import { parseReceipt, type Receipt } from '@sink/domain';
import { type LaneKeys, manifestKeys } from '../keys.ts';
import type { RedisPort } from '../port.ts';
import { asFields, asText, oneOf, text } from '../reply.ts';
import { draw as drawScript, listed as listedScript } from '../scripts/manifest.ts';

/** What a manifest lists: decided, and the same for every uploader that reads it. */
export interface DrawnManifest {
  readonly partition: string;
  /** Of this set of receipts, and of no other. */
  readonly token: string;
  readonly receipts: readonly Receipt[];
}

/** `gone`: finished before. */
export type ListedAnswer = 'listed' | 'gone';

export async function drawManifest(redis: RedisPort, keys: LaneKeys, partition: string): Promise<DrawnManifest | null> {
  const { ofPartition, listing } = manifestKeys(keys, partition);
  const reply = await redis.run(drawScript, [ofPartition, listing], []);
  if (reply === null) return null;
  const token = text(reply, `drawing up the manifest of ${partition}`);
  const { '': found, ...receipts } = asFields(await redis.call('HGETALL', [listing]));
  if (asText(found) !== token) return null;
  return { partition, token, receipts: Object.values(receipts).map((json) => parseReceipt(asText(json) ?? '')) };
}

export async function manifestListed(
  redis: RedisPort,
  keys: LaneKeys,
  { partition, token }: Pick<DrawnManifest, 'partition' | 'token'>,
): Promise<ListedAnswer> {
  const { ofPartition, listing } = manifestKeys(keys, partition);
  const reply = await redis.run(listedScript, [keys.unlisted, ofPartition, listing], [partition, token]);
  return oneOf(['listed', 'gone'], reply, `finishing the manifest of ${partition}`);
}
