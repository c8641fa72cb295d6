/** The events of a message one by one, for a caller that keeps those that are wrong instead of refusing the message. */
import { decodeMessage, isBatch } from './decode-message.ts';
import { DEFAULT_DECODING, type Decoding } from './decoding.ts';
import { CLOSE_BRACKET, skipWhitespace, valueEnd } from './json.ts';
import { MessageError } from './message-error.ts';
import { anotherVersion, readElement } from './structured.ts';

const BYTE_ORDER_MARK = Buffer.from('\ufeff');

/** One event of a message, or what was sent in the place of one. */
export interface MessagePart {
  /** Its place in the batch, from 0. Null: it is the whole message. */
  readonly index: number | null;
  /** Its own bytes, without the whitespace around it: a view of the body. */
  readonly bytes: Buffer;
  /** As `decodeMessage` makes it; null: the event is refused. */
  readonly line: string | null;
  /** Why it is refused. */
  readonly error: MessageError | null;
}

/**
 * The same events as those of `decodeMessage`, each with its own bytes and its own error. Only the elements of a batch are
 * apart from each other: a message of another kind, and a batch that is no JSON array, are one part. Much slower than
 * `decodeMessage`, so it is for messages that were refused.
 *
 * @param refusedMax with more refused events, the rest is not read
 * @returns null if more than `refusedMax` are refused
 */
export function splitMessage(
  rawHeaders: readonly string[],
  body: Buffer,
  decoding: Decoding = DEFAULT_DECODING,
  refusedMax = Infinity,
): MessagePart[] | null {
  if (!saysBatch(rawHeaders, body, decoding) || !isJsonArray(textOf(body))) {
    const whole = part(null, body, () => decodeMessage(rawHeaders, body, decoding)[0] ?? '');
    return whole.error !== null && refusedMax < 1 ? null : [whole];
  }
  const parts: MessagePart[] = [];
  let lines = 0;
  let version: string | null = null;
  const told: Decoding = { ...decoding, traceparent: (value) => decoding.traceparent?.(value, lines) };
  let index = 0;
  for (const bytes of elementsOf(body)) {
    const element = part(index, bytes, () => {
      const event = readElement(bytes, told);
      if (version !== null && event.version !== version) throw anotherVersion();
      version = event.version;
      return event.line;
    });
    parts.push(element);
    if (element.error === null) lines += 1;
    else if (parts.length - lines > refusedMax) return null;
    index += 1;
  }
  return parts;
}

function part(index: number | null, bytes: Buffer, read: () => string): MessagePart {
  try {
    return { index, bytes, line: read(), error: null };
  } catch (error) {
    if (!(error instanceof MessageError)) throw error;
    return { index, bytes, line: null, error };
  }
}

/** The elements of a batch, which is a JSON array, one by one: a body of 16 MiB may have millions. */
function* elementsOf(body: Buffer): Generator<Buffer> {
  const from = startOf(body);
  const text = textOf(body);
  let at = skipWhitespace(text, skipWhitespace(text, 0) + 1);
  while (text.charCodeAt(at) !== CLOSE_BRACKET) {
    const end = valueEnd(text, at);
    yield body.subarray(from + at, from + trimmedEnd(text, end));
    at = text.charCodeAt(end) === CLOSE_BRACKET ? end : skipWhitespace(text, end + 1);
  }
}

/** Where its text starts, behind a byte order mark. */
function startOf(body: Buffer): number {
  return body.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK.length : 0;
}

/**
 * A byte is a character here, so that an element whose strings are no UTF-8 can be told from the others: bytes beyond ASCII
 * occur in strings only.
 */
function textOf(body: Buffer): string {
  return body.toString('latin1', startOf(body));
}

function saysBatch(rawHeaders: readonly string[], body: Buffer, decoding: Decoding): boolean {
  try {
    return isBatch(rawHeaders, body, decoding);
  } catch (error) {
    if (error instanceof MessageError) return false;
    throw error;
  }
}

function isJsonArray(text: string): boolean {
  try {
    return Array.isArray(JSON.parse(text));
  } catch {
    return false;
  }
}

function trimmedEnd(text: string, end: number): number {
  let at = end;
  while (text.charCodeAt(at - 1) <= 0x20) at--;
  return at;
}
