/**
 * Plain events: plain JSON, specversion 1.0, and attributes that are strings of printable ASCII without escapes. They
 * are stored unchanged. The rules are those of json-event.ts, which reads all events that are not plain.
 */
import { QUOTE, COMMA, COLON, OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE } from './json.ts';
import { type Decoding, TRACEPARENT } from './decoding.ts';
import { parseMediaType } from './media-type.ts';
import {
  ascii,
  bytesOf,
  FALSE,
  NOT_PLAIN,
  onlyWhitespaceFrom,
  plainJsonEnd,
  plainTextEnd,
  runEnd,
  terminated,
  TRUE,
  wordEnd,
} from './plain-json.ts';
import { isTimestamp } from './timestamp.ts';

const SPECVERSION_1 = ascii('"1.0"');
const JSON_TYPE = ascii('"application/json"');

const TRACEPARENT_NAME = ascii(`"${TRACEPARENT}":`);

const IN_NAME = bytesOf((character) => /[a-z0-9]/.test(character));

interface Member {
  /** As in an event, with quotes and colon. */
  readonly name: Uint8Array;
  /** Index after an allowed value of the member; else NOT_PLAIN. */
  readonly valueEnd: (bytes: Buffer, at: number) => number;
}

/** In the order in which SDKs write them. */
const MEMBERS: readonly Member[] = [
  member('specversion', (bytes, at) => wordEnd(bytes, at, SPECVERSION_1)),
  member('id', filledTextEnd),
  member('source', filledTextEnd),
  member('type', filledTextEnd),
  member('subject', filledTextEnd),
  member('time', timeEnd),
  member('datacontenttype', mediaTypeEnd),
  member('dataschema', filledTextEnd),
  member('data', (bytes, at) => plainJsonEnd(bytes, at)),
];
/** The first four members, as bits. */
const REQUIRED = 0b1111;

function member(name: string, valueEnd: Member['valueEnd']): Member {
  return { name: ascii(`"${name}":`), valueEnd };
}

/** Told only once the whole message has turned out to be plain: else it is read, and told, by others. */
class FoundTraceparents {
  /** Of the event that is being read. */
  index = 0;
  readonly #found: { readonly value: string; readonly index: number }[] = [];

  add(value: string): void {
    this.#found.push({ value, index: this.index });
  }

  tell(traceparent: (value: string, index: number) => void): void {
    for (const { value, index } of this.#found) traceparent(value, index);
  }
}

/** The line of the event in `body`; null if it is not plain. */
export function plainEvent(body: Buffer, traceparent?: Decoding['traceparent']): string | null {
  const bytes = terminated(body);
  if (bytes === null) return null;
  const found = traceparent && new FoundTraceparents();
  const end = eventEnd(bytes, 0, found);
  if (end === NOT_PLAIN || !onlyWhitespaceFrom(bytes, end, body.length)) return null;
  if (traceparent) found?.tell(traceparent);
  return body.toString('utf8', 0, end);
}

/** The lines of all events of the batch in `body`; null if one of them is not plain, or if there are none. */
export function plainBatch(body: Buffer, traceparent?: Decoding['traceparent']): string[] | null {
  const bytes = terminated(body);
  if (bytes?.[0] !== OPEN_BRACKET) return null;
  const lineOf = slicesOf(body);
  const lines: string[] = [];
  const found = traceparent && new FoundTraceparents();
  let start = 1;
  for (;;) {
    if (found) found.index = lines.length;
    const end = eventEnd(bytes, start, found);
    if (end === NOT_PLAIN) return null;
    lines.push(lineOf(start, end));
    start = end + 1;
    if (bytes[end] === COMMA) continue;
    if (bytes[end] !== CLOSE_BRACKET || !onlyWhitespaceFrom(bytes, start, body.length)) return null;
    if (traceparent) found?.tell(traceparent);
    return lines;
  }
}

/** Cuts texts out of UTF-8. In ASCII, bytes and characters are the same, so a cut is a view of one string. */
function slicesOf(body: Buffer): (start: number, end: number) => string {
  const text = body.toString('utf8');
  if (text.length === body.length) return (start, end) => text.slice(start, end);
  return (start, end) => body.toString('utf8', start, end);
}

/** Index after the event that starts at `start`; else NOT_PLAIN. */
function eventEnd(bytes: Buffer, start: number, found: FoundTraceparents | undefined): number {
  if (bytes[start] !== OPEN_BRACE) return NOT_PLAIN;
  let at = start + 1;
  let seen = 0;
  let expected = 0;
  let extensions: Uint8Array[] | null = null;
  for (;;) {
    const index = memberAt(bytes, at, expected);
    const known = MEMBERS[index];
    if (known === undefined) {
      const name = extensionName(bytes, at);
      if (name === null || extensions?.some((other) => wordEnd(bytes, at, other) !== NOT_PLAIN)) return NOT_PLAIN;
      (extensions ??= []).push(name);
      const value = at + name.length;
      const isTraceparent = found && wordEnd(bytes, at, TRACEPARENT_NAME) === value;
      at = extensionEnd(bytes, value);
      if (isTraceparent && bytes[value] === QUOTE && at !== NOT_PLAIN) found.add(textIn(bytes, value, at));
    } else {
      if ((seen & (1 << index)) !== 0) return NOT_PLAIN;
      seen |= 1 << index;
      expected = index + 1;
      at = known.valueEnd(bytes, at + known.name.length);
    }
    if (at === NOT_PLAIN) return NOT_PLAIN;
    const after = bytes[at++];
    if (after === CLOSE_BRACE) return (seen & REQUIRED) === REQUIRED ? at : NOT_PLAIN;
    if (after !== COMMA) return NOT_PLAIN;
  }
}

/** The index in MEMBERS of the member at `at`, searched from the expected one; -1 if it is none of them. */
function memberAt(bytes: Buffer, at: number, expected: number): number {
  for (let step = 0; step < MEMBERS.length; step++) {
    const index = (expected + step) % MEMBERS.length;
    const known = MEMBERS[index];
    if (known !== undefined && wordEnd(bytes, at, known.name) !== NOT_PLAIN) return index;
  }
  return -1;
}

/** The name with quotes and colon; null if it is not the name of a plain extension. */
function extensionName(bytes: Buffer, at: number): Uint8Array | null {
  if (bytes[at] !== QUOTE) return null;
  const end = runEnd(bytes, at + 1, IN_NAME);
  return end > at + 1 && bytes[end] === QUOTE && bytes[end + 1] === COLON ? bytes.subarray(at, end + 2) : null;
}

function extensionEnd(bytes: Buffer, at: number): number {
  switch (bytes[at]) {
    case QUOTE:
      return plainTextEnd(bytes, at);
    case 0x74:
      return wordEnd(bytes, at, TRUE);
    default:
      return wordEnd(bytes, at, FALSE);
  }
}

function filledTextEnd(bytes: Buffer, at: number): number {
  const end = plainTextEnd(bytes, at);
  return end === at + 2 ? NOT_PLAIN : end;
}

function timeEnd(bytes: Buffer, at: number): number {
  const end = plainTextEnd(bytes, at);
  return end !== NOT_PLAIN && isTimestamp(textIn(bytes, at, end)) ? end : NOT_PLAIN;
}

function mediaTypeEnd(bytes: Buffer, at: number): number {
  const json = wordEnd(bytes, at, JSON_TYPE);
  if (json !== NOT_PLAIN) return json;
  const end = plainTextEnd(bytes, at);
  return end !== NOT_PLAIN && parseMediaType(textIn(bytes, at, end)) !== null ? end : NOT_PLAIN;
}

/** The content of a string of plain text, without its quotes. */
function textIn(bytes: Buffer, at: number, end: number): string {
  return bytes.toString('latin1', at + 1, end - 1);
}
