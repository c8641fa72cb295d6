/**
 * Plain JSON: what nearly every producer sends. Compact, nested no deeper than DEPTH_MAX, without escaped surrogates.
 *
 * Who only has to know that a text is JSON, and where it ends, need not build the objects that JSON.parse makes of it: an
 * event of 330 bytes takes 0.35 us here and 0.9 us there, not counting the garbage. What is not plain is no error: it is
 * looked at with JSON.parse, which finds out what is wrong with it, if anything.
 */

import { isUtf8 } from 'node:buffer';
import {
  QUOTE,
  BACKSLASH,
  COMMA,
  COLON,
  OPEN_BRACKET,
  CLOSE_BRACKET,
  OPEN_BRACE,
  CLOSE_BRACE,
  SPACE,
  MINUS,
  ZERO,
} from './json.ts';

/** What stands for an index where the text is not plain. */
export const NOT_PLAIN = -1;

const DEPTH_MAX = 64;
const PLAIN_BYTES_MAX = 1024 * 1024;

const PLUS = 0x2b;
const POINT = 0x2e;
const LETTER_E = 0x65;
const LETTER_U = 0x75;

export const TRUE = ascii('true');
export const FALSE = ascii('false');
const NULL = ascii('null');

/** What stands for itself in a string: all but quote, backslash and control characters. */
const IN_STRING = bytesOf((character) => character >= ' ' && character !== '"' && character !== '\\');
/** Of that, what every reader sees as one printable character. */
const IN_PLAIN_TEXT = bytesOf((character) => /[ -~]/.test(character) && character !== '"' && character !== '\\');
const DIGIT = bytesOf((character) => /[0-9]/.test(character));
const HEX_DIGIT = bytesOf((character) => /[0-9a-fA-F]/.test(character));
const AFTER_BACKSLASH = bytesOf((character) => '"\\/bfnrt'.includes(character));

/** One at each byte that `belongs`. The byte after the text, 0, belongs nowhere. */
export function bytesOf(belongs: (character: string) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => (byte > 0 && belongs(String.fromCharCode(byte)) ? 1 : 0));
}

export function ascii(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'latin1'));
}

/** The one value in `body`, whose text is compact; null where it is not plain. */
export function plainJson(body: Buffer): string | null {
  const bytes = terminated(body);
  if (bytes === null) return null;
  const end = plainJsonEnd(bytes, 0);
  return end !== NOT_PLAIN && onlyWhitespaceFrom(bytes, end, body.length) ? body.toString('utf8', 0, end) : null;
}

const scratch = Buffer.alloc(PLAIN_BYTES_MAX + 1);

/**
 * A copy of `body` with a 0 after it, which ends every loop of the scan: reading beyond an array's end, once, would make
 * V8 read at half the speed from then on. It is good until the next call. Null: too large for it.
 */
export function terminated(body: Buffer): Buffer | null {
  if (body.length > PLAIN_BYTES_MAX || !isUtf8(body)) return null;
  scratch.set(body);
  scratch[body.length] = 0;
  return scratch;
}

/** Whether nothing but whitespace comes from `at` on, up to the end of the text. */
export function onlyWhitespaceFrom(bytes: Uint8Array, at: number, length: number): boolean {
  let next = at;
  while (next < length && isWhitespace(byteAt(bytes, next))) next++;
  return next === length;
}

function isWhitespace(byte: number): boolean {
  return byte === SPACE || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** Index after the value that starts at `at`; NOT_PLAIN. Whether its bytes are UTF-8 is not looked at. */
export function plainJsonEnd(bytes: Uint8Array, at: number, depth = 0): number {
  switch (byteAt(bytes, at)) {
    case QUOTE:
      return stringEnd(bytes, at);
    case OPEN_BRACE:
      return objectEnd(bytes, at, depth + 1);
    case OPEN_BRACKET:
      return arrayEnd(bytes, at, depth + 1);
    case 0x74:
      return wordEnd(bytes, at, TRUE);
    case 0x66:
      return wordEnd(bytes, at, FALSE);
    case 0x6e:
      return wordEnd(bytes, at, NULL);
    default:
      return numberEnd(bytes, at);
  }
}

/** Index after `word`, where it stands at `at`; NOT_PLAIN. */
export function wordEnd(bytes: Uint8Array, at: number, word: Uint8Array): number {
  for (let index = 0; index < word.length; index++) {
    if (byteAt(bytes, at + index) !== byteAt(word, index)) return NOT_PLAIN;
  }
  return at + word.length;
}

/** Index after the string at `at`, if it has printable ASCII in it and no escapes; NOT_PLAIN. */
export function plainTextEnd(bytes: Uint8Array, at: number): number {
  if (byteAt(bytes, at) !== QUOTE) return NOT_PLAIN;
  const end = runEnd(bytes, at + 1, IN_PLAIN_TEXT);
  return byteAt(bytes, end) === QUOTE ? end + 1 : NOT_PLAIN;
}

/** Index after the bytes from `at` on that are in `set`. */
export function runEnd(bytes: Uint8Array, at: number, set: Uint8Array): number {
  let next = at;
  while (byteAt(set, byteAt(bytes, next)) === 1) next++;
  return next;
}

function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}

function objectEnd(bytes: Uint8Array, start: number, depth: number): number {
  if (depth > DEPTH_MAX) return NOT_PLAIN;
  let at = start + 1;
  if (byteAt(bytes, at) === CLOSE_BRACE) return at + 1;
  for (;;) {
    if (byteAt(bytes, at) !== QUOTE) return NOT_PLAIN;
    at = stringEnd(bytes, at);
    if (at === NOT_PLAIN || byteAt(bytes, at) !== COLON) return NOT_PLAIN;
    at = plainJsonEnd(bytes, at + 1, depth);
    if (at === NOT_PLAIN) return NOT_PLAIN;
    const after = byteAt(bytes, at++);
    if (after === CLOSE_BRACE) return at;
    if (after !== COMMA) return NOT_PLAIN;
  }
}

function arrayEnd(bytes: Uint8Array, start: number, depth: number): number {
  if (depth > DEPTH_MAX) return NOT_PLAIN;
  let at = start + 1;
  if (byteAt(bytes, at) === CLOSE_BRACKET) return at + 1;
  for (;;) {
    at = plainJsonEnd(bytes, at, depth);
    if (at === NOT_PLAIN) return NOT_PLAIN;
    const after = byteAt(bytes, at++);
    if (after === CLOSE_BRACKET) return at;
    if (after !== COMMA) return NOT_PLAIN;
  }
}

function stringEnd(bytes: Uint8Array, start: number): number {
  let at = start + 1;
  for (;;) {
    at = runEnd(bytes, at, IN_STRING);
    const byte = byteAt(bytes, at);
    if (byte === QUOTE) return at + 1;
    if (byte !== BACKSLASH) return NOT_PLAIN;
    at = escapeEnd(bytes, at + 1);
    if (at === NOT_PLAIN) return NOT_PLAIN;
  }
}

/** After a backslash. Half of a pair of surrogates would have to be looked at together with the other half. */
function escapeEnd(bytes: Uint8Array, at: number): number {
  const byte = byteAt(bytes, at);
  if (byte !== LETTER_U) return byteAt(AFTER_BACKSLASH, byte) === 1 ? at + 1 : NOT_PLAIN;
  for (let digit = 1; digit <= 4; digit++) {
    if (byteAt(HEX_DIGIT, byteAt(bytes, at + digit)) === 0) return NOT_PLAIN;
  }
  const isSurrogate = (byteAt(bytes, at + 1) | SPACE) === 0x64 && byteAt(bytes, at + 2) >= 0x38;
  return isSurrogate ? NOT_PLAIN : at + 5;
}

/** RFC 8259 section 6: no leading zeros, digits on both sides of the point, and in the exponent. */
function numberEnd(bytes: Uint8Array, start: number): number {
  let at = byteAt(bytes, start) === MINUS ? start + 1 : start;
  at = byteAt(bytes, at) === ZERO ? at + 1 : digitsEnd(bytes, at);
  if (at === NOT_PLAIN) return NOT_PLAIN;
  if (byteAt(bytes, at) === POINT) {
    at = digitsEnd(bytes, at + 1);
    if (at === NOT_PLAIN) return NOT_PLAIN;
  }
  if ((byteAt(bytes, at) | SPACE) !== LETTER_E) return at;
  const sign = byteAt(bytes, at + 1);
  return digitsEnd(bytes, sign === PLUS || sign === MINUS ? at + 2 : at + 1);
}

/** At least one. */
function digitsEnd(bytes: Uint8Array, at: number): number {
  const end = runEnd(bytes, at, DIGIT);
  return end === at ? NOT_PLAIN : end;
}
