import { isUtf8 } from 'node:buffer';
import { MessageError, shown } from './message-error.ts';

/** Characters of JSON's grammar: code units of a string or bytes of UTF-8, which are equal for these characters. */
export const QUOTE = 0x22;
export const BACKSLASH = 0x5c;
export const COMMA = 0x2c;
export const COLON = 0x3a;
export const OPEN_BRACKET = 0x5b;
export const CLOSE_BRACKET = 0x5d;
export const OPEN_BRACE = 0x7b;
export const CLOSE_BRACE = 0x7d;
export const SPACE = 0x20;
export const MINUS = 0x2d;
export const ZERO = 0x30;
const NINE = 0x39;

const BYTE_ORDER_MARK = '\ufeff';

export interface JsonText {
  readonly text: string;
  readonly value: unknown;
}

/**
 * Parses the JSON text in `body`. A byte order mark is ignored, as RFC 8259 section 8.1 allows. JSON.parse does not
 * recurse, so only the size of the body limits the depth of nesting.
 *
 * @param what names the text in error messages
 * @throws MessageError `utf8` or `json`
 */
export function parseJson(body: Buffer, what: string): JsonText {
  if (!isUtf8(body)) throw new MessageError('utf8', `${what} is not valid UTF-8`);
  let text = body.toString('utf8');
  if (text.startsWith(BYTE_ORDER_MARK)) text = text.slice(1);
  try {
    const value: unknown = JSON.parse(text);
    return { text, value };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new MessageError('json', `${what} is not valid JSON: ${shown(reason)}`, { cause });
  }
}

export function loneSurrogate(what: string): MessageError {
  return new MessageError('surrogate', `${what} has an unpaired surrogate in a string`);
}

/*
 * Scans of JSON text that JSON.parse has accepted. They find boundaries and whitespace, and check nothing. Decoding is
 * lossless because events and data are cut out of the text and never written again. No scan recurses, so deep nesting
 * cannot exhaust the stack.
 */

export interface ScannedObject {
  /** The object's text without whitespace outside strings: one line. */
  readonly line: string;
  /** Index after the closing brace. */
  readonly end: number;
  /** The number of members of the object itself. If JSON.parse kept fewer, a name occurs twice. */
  readonly memberCount: number;
  /** Whether a member of the object itself, other than `data`, may be a number with a fraction or an exponent. */
  readonly hasNonInteger: boolean;
}

export interface Member {
  readonly name: string;
  /** The name as it is written, with its quotes. */
  readonly nameText: string;
  /** The value as it is written. */
  readonly text: string;
}

/** Index of the first character from `at` that is not whitespace. */
export function skipWhitespace(text: string, at: number): number {
  let next = at;
  while (text.charCodeAt(next) <= SPACE) next++;
  return next;
}

/** Index after the string that starts at `at`. */
export function stringEnd(text: string, at: number): number {
  for (let quote = text.indexOf('"', at + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let before = quote - 1;
    while (text.charCodeAt(before) === BACKSLASH) before--;
    if ((quote - before) % 2 === 1) return quote + 1;
  }
  throw new Error('scanning JSON: a string without end');
}

/** A JSON text without the whitespace outside its strings; the same text if there is none. */
export function compactJson(text: string): string {
  let compact = '';
  let from = 0;
  let at = 0;
  while (at < text.length) {
    const character = text.charCodeAt(at);
    if (character === QUOTE) {
      at = stringEnd(text, at);
    } else if (character <= SPACE) {
      compact += text.slice(from, at);
      from = at = skipWhitespace(text, at);
    } else {
      at++;
    }
  }
  return from === 0 ? text : compact + text.slice(from);
}

/** The object that starts at `start` (at its opening brace). */
export function scanObject(text: string, start: number): ScannedObject {
  let line = '';
  let from = start;
  let at = start;
  let depth = 0;
  let memberCount = 0;
  let hasNonInteger = false;
  let stringAt = start;
  while (at < text.length) {
    const character = text.charCodeAt(at);
    if (character === QUOTE) {
      stringAt = at;
      at = stringEnd(text, at);
      continue;
    }
    if (character <= SPACE) {
      line += text.slice(from, at);
      from = at = skipWhitespace(text, at);
      continue;
    }
    at++;
    if (character === OPEN_BRACE || character === OPEN_BRACKET) {
      depth++;
    } else if (character === CLOSE_BRACE || character === CLOSE_BRACKET) {
      depth--;
      if (depth === 0) return { line: line + text.slice(from, at), end: at, memberCount, hasNonInteger };
    } else if (character === COLON && depth === 1) {
      memberCount++;
      hasNonInteger ||= startsNonInteger(text, skipWhitespace(text, at)) && !text.startsWith('"data"', stringAt);
    }
  }
  throw new Error('scanning JSON: an object without end');
}

function startsNonInteger(text: string, at: number): boolean {
  const first = text.charCodeAt(at);
  if (first !== MINUS && (first < ZERO || first > NINE)) return false;
  let next = at + 1;
  while (text.charCodeAt(next) >= ZERO && text.charCodeAt(next) <= NINE) next++;
  const after = text.charAt(next);
  return after === '.' || after === 'e' || after === 'E';
}

/** Whether the text of a JSON value is a number with a fraction or an exponent. */
export function isNonInteger(valueText: string): boolean {
  return startsNonInteger(valueText, 0);
}

/** The members of the object at `start`, including duplicates. For errors and rare events; not fast. */
export function membersOf(text: string, start = 0): Member[] {
  const members: Member[] = [];
  let at = skipWhitespace(text, start + 1);
  while (text.charCodeAt(at) === QUOTE) {
    const nameEnd = stringEnd(text, at);
    const valueAt = skipWhitespace(text, skipWhitespace(text, nameEnd) + 1);
    const end = valueEnd(text, valueAt);
    const nameText = text.slice(at, nameEnd);
    members.push({ name: String(JSON.parse(nameText)), nameText, text: text.slice(valueAt, end).trimEnd() });
    if (text.charCodeAt(end) === CLOSE_BRACE) break;
    at = skipWhitespace(text, end + 1);
  }
  return members;
}

/** Index of the comma, brace or bracket that ends the member, or the element, whose value starts at `at`. */
export function valueEnd(text: string, at: number): number {
  let depth = 0;
  let next = at;
  while (next < text.length) {
    const character = text.charCodeAt(next);
    if (character === QUOTE) {
      next = stringEnd(text, next);
      continue;
    }
    if (depth === 0 && (character === COMMA || character === CLOSE_BRACE || character === CLOSE_BRACKET)) return next;
    if (character === OPEN_BRACE || character === OPEN_BRACKET) depth++;
    if (character === CLOSE_BRACE || character === CLOSE_BRACKET) depth--;
    next++;
  }
  throw new Error('scanning JSON: a value without end');
}

/**
 * Matches every escape of a JSON text in turn, so that an escaped backslash never starts another escape. A pair of
 * surrogates is one match; group 1 is an escaped surrogate without its pair.
 */
const ESCAPE = /\\(?:[^u]|u[dD][89abAB]..\\u[dD][c-fC-F]..|u([dD][89a-fA-F]..)|u....)/g;

/** Whether a string in a JSON text contains an escaped surrogate that is not part of a pair. */
export function hasLoneSurrogate(text: string): boolean {
  if (!text.includes('\\u') || !/\\u[dD][89a-fA-F]/.test(text)) return false;
  for (const [, lone] of text.matchAll(ESCAPE)) {
    if (lone !== undefined) return true;
  }
  return false;
}
