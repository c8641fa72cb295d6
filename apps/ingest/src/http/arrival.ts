/** A request whose body is on its way in. Its fields are the admission's. */
export interface Arrival {
  /** Bytes that are taken for it. */
  heldBytes: number;
  /** The size of its body: as declared, or as far as it is known. */
  sizeBytes: number;
  /** The tick of its last progress, and the bytes that have come since. */
  progressTick: number;
  freshBytes: number;
  /** Refuses the request, because its body comes too slowly. */
  evict(): void;
}

/** Bodies of a class grow until all requests together hold its share: the larger ones always leave room for smaller ones. */
export const CLASSES = [
  { bodyBytesMax: 64 * 1024, share: 1 },
  { bodyBytesMax: 256 * 1024, share: 7 / 8 },
  { bodyBytesMax: 1024 * 1024, share: 3 / 4 },
  { bodyBytesMax: Infinity, share: 1 / 2 },
] as const;

/** The class of a body that grows by so many bytes: an index of CLASSES. */
export function classOf({ heldBytes, sizeBytes }: Arrival, moreBytes: number): number {
  const bodyBytes = Math.max(sizeBytes, heldBytes + moreBytes);
  return CLASSES.findIndex(({ bodyBytesMax }) => bodyBytes <= bodyBytesMax);
}
