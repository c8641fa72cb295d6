import { decodeBinary, hasAttributeHeader } from './binary.ts';
import { DEFAULT_DECODING, type Decoding } from './decoding.ts';
import { isUtf8Charset, parseMediaType } from './media-type.ts';
import { MessageError, shown } from './message-error.ts';
import { decodeBatch, decodeStructured } from './structured.ts';

const CLOUDEVENTS_PREFIX = 'application/cloudevents';
const STRUCTURED_JSON = 'application/cloudevents+json';
const BATCHED_JSON = 'application/cloudevents-batch+json';
const OPEN_BRACKET = 0x5b;
const SPACE = 0x20;
const CONTENT_TYPE_CHARACTERS = 'content-type'.length;

/**
 * The CloudEvents in one HTTP message, each as one line of compact JSON in the CloudEvents JSON format, without LF: one
 * line in binary and structured mode, any number in batched mode. Content-Type decides the mode (HTTP binding 1.0.2,
 * section 3). The bytes of data and of JSON events are kept, without the whitespace outside JSON strings.
 *
 * @param rawHeaders names and values in turn, as in `IncomingMessage.rawHeaders`
 * @param body without Content-Encoding; the caller limits its size
 * @throws MessageError if the message is not a valid CloudEvent (400) or has an unsupported format (415)
 */
export function decodeMessage(
  rawHeaders: readonly string[],
  body: Buffer,
  decoding: Decoding = DEFAULT_DECODING,
): string[] {
  const contentType = findContentType(rawHeaders);
  if (contentType === null || !hasCloudEventsPrefix(contentType)) {
    if (hasAttributeHeader(rawHeaders)) return [decodeBinary(rawHeaders, contentType, body, decoding)];
    return decodeWithoutMode(contentType, body, decoding);
  }
  return isBatchType(contentType) ? decodeBatch(body, decoding) : decodeStructured(body, decoding);
}

/** Whether the message is taken for a batch. @throws MessageError as `decodeMessage` does for its Content-Type */
export function isBatch(rawHeaders: readonly string[], body: Buffer, decoding: Decoding): boolean {
  const contentType = findContentType(rawHeaders);
  if (contentType !== null && hasCloudEventsPrefix(contentType)) return isBatchType(contentType);
  return !hasAttributeHeader(rawHeaders) && isJsonWithoutMode(contentType, decoding) && beginsArray(body);
}

/** @param contentType that begins as one of CloudEvents */
function isBatchType(contentType: string): boolean {
  const mediaType = parseMediaType(contentType);
  const essence = mediaType?.essence;
  if (mediaType === null || (essence !== STRUCTURED_JSON && essence !== BATCHED_JSON)) {
    throw new MessageError('event_format', `Content-Type ${shown(contentType)}: only CloudEvents in JSON are accepted`);
  }
  if (!isUtf8Charset(mediaType.charset)) {
    throw new MessageError('charset', `Content-Type ${shown(contentType)}: CloudEvents in JSON must be UTF-8`);
  }
  return essence === BATCHED_JSON;
}

/**
 * A message with neither a Content-Type of CloudEvents nor `ce-` headers: none of the content modes. Senders forget the
 * Content-Type, and some cannot set it.
 */
function decodeWithoutMode(contentType: string | null, body: Buffer, decoding: Decoding): string[] {
  if (isJsonWithoutMode(contentType, decoding)) {
    return beginsArray(body) ? decodeBatch(body, decoding) : decodeStructured(body, decoding);
  }
  const given = contentType === null ? 'no Content-Type' : `Content-Type ${shown(contentType)}`;
  throw new MessageError(
    'content_type',
    `${given} and no ce- headers: an event in JSON needs Content-Type ${STRUCTURED_JSON}, a batch ${BATCHED_JSON}`,
  );
}

function isJsonWithoutMode(contentType: string | null, { lenientContentType }: Decoding): boolean {
  if (contentType === null || !lenientContentType) return false;
  const mediaType = parseMediaType(contentType);
  return mediaType?.essence === 'application/json' && isUtf8Charset(mediaType.charset);
}

function beginsArray(body: Buffer): boolean {
  return body[body.findIndex((byte) => byte > SPACE)] === OPEN_BRACKET;
}

/** Null if there is none or it is empty. */
function findContentType(rawHeaders: readonly string[]): string | null {
  let found: string | null = null;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const header = rawHeaders[at] ?? '';
    if (header.length !== CONTENT_TYPE_CHARACTERS || header.toLowerCase() !== 'content-type') continue;
    if (found !== null) throw new MessageError('content_type', 'header Content-Type is given twice');
    found = rawHeaders[at + 1] ?? '';
  }
  return found === '' ? null : found;
}

function hasCloudEventsPrefix(contentType: string): boolean {
  return contentType.slice(0, CLOUDEVENTS_PREFIX.length).toLowerCase() === CLOUDEVENTS_PREFIX;
}
