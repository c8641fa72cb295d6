import { decodeMessage, type Decoding, MessageError } from '@sink/cloudevents';
import type { SinkConfig } from '@sink/config';
import { type Evidence, evidenceBytes, evidenceRawHeaders } from '@sink/domain';

const STRUCTURED = ['Content-Type', 'application/cloudevents+json'];
const BATCHED = ['Content-Type', 'application/cloudevents-batch+json'];
const OPEN_BRACKET = 0x5b;
const SPACE = 0x20;

/**
 * The lines of what a retry sends, as ingest makes them; a sentence if it would be refused again.
 * @param corrected a CloudEvent, or a batch of them, in JSON; null: what was refused, as it was sent
 */
export function linesOf(evidence: Evidence, corrected: Buffer | null, config: SinkConfig): readonly string[] | string {
  const { attributeEncoding, malformedJson, lenientContentType } = config;
  const decoding: Decoding = {
    attributeEncoding,
    malformedJson,
    lenientContentType,
    opaque: () => undefined,
  };
  if (corrected === null && evidence.reason === 'compressed_data') {
    return 'its compression is damaged, so that its events are not known: give the corrected event with --file';
  }
  const [headers, body] = corrected === null ? asSent(evidence) : [headersOf(corrected), corrected];
  try {
    const lines = decodeMessage(headers, body, decoding);
    return lines.length === 0 ? 'there is no event in it' : lines;
  } catch (error) {
    if (!(error instanceof MessageError)) throw error;
    return `${error.message} (${error.code})`;
  }
}

/** An element of a batch is an event of its own. */
function asSent(evidence: Evidence): readonly [headers: readonly string[], body: Buffer] {
  return [evidence.index === null ? evidenceRawHeaders(evidence) : STRUCTURED, evidenceBytes(evidence)];
}

function headersOf(corrected: Buffer): readonly string[] {
  return corrected[corrected.findIndex((byte) => byte > SPACE)] === OPEN_BRACKET ? BATCHED : STRUCTURED;
}
