import type { AttributeEncoding } from './attribute-encoding.ts';

/** What the specification leaves to the receiver, or what senders do otherwise. */
export interface Decoding {
  readonly attributeEncoding: AttributeEncoding;
  /** What becomes of an event whose data is declared as JSON and is not, or has an unpaired surrogate. */
  readonly malformedJson: 'store' | 'refuse';
  /** Whether `application/json` without `ce-` headers is read as a CloudEvent in JSON, or as a batch if it is an array. */
  readonly lenientContentType: boolean;
  /** Called for each event whose data is kept as bytes for that reason. */
  readonly opaque: () => void;
  /**
   * Called with the extension `traceparent` (CloudEvents Distributed Tracing) of each event that has it as a string, and with
   * the event's index in the message. Absent: nobody asks.
   */
  readonly traceparent?: ((value: string, index: number) => void) | undefined;
}

/** The name of the extension. */
export const TRACEPARENT = 'traceparent';

export const DEFAULT_DECODING: Decoding = {
  attributeEncoding: 'auto',
  malformedJson: 'store',
  lenientContentType: false,
  opaque: () => undefined,
};
