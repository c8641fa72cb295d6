import type { AttributeEncoding } from './attribute-encoding.ts';

/** What the specification leaves to the receiver, or what senders do otherwise. */
export interface Decoding {
  readonly attributeEncoding: AttributeEncoding;
  /** What becomes of an event whose data is declared as JSON and is not, or has an unpaired surrogate. */
  readonly malformedJson: 'store' | 'refuse';
  /** Called for each event whose data is kept as bytes for that reason. */
  readonly opaque: () => void;
}

export const DEFAULT_DECODING: Decoding = {
  attributeEncoding: 'auto',
  malformedJson: 'store',
  opaque: () => undefined,
};
