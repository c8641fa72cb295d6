import type { SinkConfig } from '@sink/config';
import { type Receipt, RECEIPT_VERSION, type RoutedReceipt } from '@sink/domain';
import { LaneView, type RedisPort } from '@sink/lane';

/** How many receipts of each lane the page shows. */
const NEWEST = 100;

/** A receipt as `GET /receipts` shows it. */
export interface ShownReceipt extends Partial<Pick<RoutedReceipt, 'bucket' | 'route' | 'path' | 'checksum'>> {
  readonly lane: number;
  /** Of the receipt in its lane. */
  readonly entry: string;
  readonly key: string;
  readonly events: number;
  /** Null: not known. */
  readonly bytes: number | null;
  readonly etag: string;
  /** When the first of its events was accepted. */
  readonly acceptedAt: string;
  readonly sealedAt: string;
  readonly storedAt: string;
}

/** What receipts of version 2 say too. */
function routeOf(receipt: Receipt): Partial<ShownReceipt> {
  if (receipt.v === RECEIPT_VERSION) return {};
  const { bucket, route, path, checksum } = receipt;
  return { bucket, route, path, checksum };
}

/** `GET /receipts` on the uploader's operations port: the newest objects, whichever uploader has stored them. */
export async function receiptsPage(
  redis: RedisPort,
  { sinkName, lanes }: Pick<SinkConfig, 'sinkName' | 'lanes'>,
): Promise<{ readonly receipts: readonly ShownReceipt[] }> {
  const views = Array.from({ length: lanes }, (_, number) => new LaneView(redis, sinkName, number));
  const ofLanes = await Promise.all(views.map((view) => view.newestReceipts(NEWEST)));
  const receipts = ofLanes.flatMap((entries, lane) =>
    entries.map(({ entryId, receipt }) => ({
      lane,
      entry: entryId,
      key: receipt.key,
      events: receipt.count,
      bytes: receipt.objectBytes,
      etag: receipt.etag,
      ...routeOf(receipt),
      acceptedAt: new Date(receipt.acceptedAtMs).toISOString(),
      sealedAt: new Date(receipt.sealedAtMs).toISOString(),
      storedAt: new Date(receipt.storedAtMs).toISOString(),
    })),
  );
  return { receipts };
}
