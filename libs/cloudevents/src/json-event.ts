/** One event in the JSON event format (CloudEvents JSON format 1.0.2, sections 2 and 3). */
import {
  checkExtension,
  checkRequired,
  checkString,
  invalidValue,
  isBase64,
  isObject,
  isSpecVersion,
  notAnInteger,
} from './attributes.ts';
import type { SpecVersion } from './attributes.ts';
import type { Decoding } from './decoding.ts';
import { hasLoneSurrogate, isNonInteger, loneSurrogate, membersOf, scanObject, type ScannedObject } from './json.ts';
import { MessageError, shown } from './message-error.ts';
import { checkLoneSurrogates, keepOpaque, opaqueLine } from './opaque.ts';

export interface JsonEvent {
  readonly line: string;
  /** Index in the text after the event. */
  readonly end: number;
  readonly version: SpecVersion;
}

/**
 * Checks the event that starts at `start` in `text`, of which JSON.parse made `value`.
 *
 * @throws MessageError for every mistake in one event
 */
export function readJsonEvent(text: string, start: number, value: unknown, decoding: Decoding): JsonEvent {
  if (!isObject(value)) throw new MessageError('json', 'a CloudEvent must be a JSON object');
  const scanned = scanObject(text, start);
  const { line, end } = scanned;
  const names = Object.keys(value);
  if (names.length !== scanned.memberCount) throw duplicateName(line);
  const isOpaque = hasLoneSurrogate(line);
  if (isOpaque) checkLoneSurrogates(text, start, value);
  const version = checkMembers(value, names);
  if (scanned.hasNonInteger) checkNumbers(scanned);
  if (!isOpaque) return { line, end, version };
  keepOpaque(decoding, loneSurrogate('data'));
  return { line: opaqueLine(text, start, value), end, version };
}

function checkMembers(event: Record<string, unknown>, names: readonly string[]): SpecVersion {
  checkRequired((name) => event[name] !== undefined && event[name] !== null);
  const version = event['specversion'];
  if (!isSpecVersion(version)) {
    throw new MessageError('specversion', `specversion: ${shown(JSON.stringify(version))} is not "1.0"`);
  }
  for (const name of names) {
    const value = event[name];
    switch (name) {
      case 'data':
        break;
      case 'specversion':
      case 'id':
      case 'source':
      case 'type':
      case 'subject':
      case 'time':
      case 'datacontenttype':
      case 'dataschema':
        if (value === null) break; // Null is "unset" (section 2.2).
        if (typeof value !== 'string') throw invalidValue(name, 'must be a string');
        checkString(name, value);
        break;
      case 'data_base64':
        checkDataBase64(event, value); // 0.3 does not know it, and senders of 0.3 use it.
        break;
      case 'datacontentencoding':
        if (version === '0.3') checkContentEncoding(event, value);
        else if (value !== null) checkExtension(name, value, version);
        break;
      default:
        if (value === null) checkExtension(name, '', version);
        else checkExtension(name, value, version);
    }
  }
  return version;
}

function checkDataBase64(event: Record<string, unknown>, value: unknown): void {
  if (value === null) return;
  if (Object.hasOwn(event, 'data')) throw new MessageError('data', 'data and data_base64 exclude each other');
  if (typeof value !== 'string' || !isBase64(value)) {
    throw new MessageError('data', 'data_base64 is not padded Base64 (RFC 4648 section 4)');
  }
}

/** CloudEvents 0.3: `data` is a Base64 string if `datacontentencoding` is `base64`, which is its only allowed value. */
function checkContentEncoding(event: Record<string, unknown>, value: unknown): void {
  if (value === null) return;
  if (typeof value !== 'string' || value.toLowerCase() !== 'base64') {
    throw invalidValue('datacontentencoding', 'only "base64" is known');
  }
  const data = event['data'];
  if (data !== undefined && (typeof data !== 'string' || !isBase64(data))) {
    throw new MessageError('data', 'data is not padded Base64, as datacontentencoding says');
  }
}

/** `1.0` and `1e2` are integers for JSON.parse, but not in section 2.2: "only the integer component". */
function checkNumbers(scanned: ScannedObject): void {
  for (const { name, text } of membersOf(scanned.line)) {
    if (name !== 'data' && isNonInteger(text)) throw notAnInteger(name);
  }
}

function duplicateName(line: string): MessageError {
  const seen = new Set<string>();
  for (const { name } of membersOf(line)) {
    if (seen.has(name)) return new MessageError('duplicate_attribute', `attribute ${shown(name)} is given twice`);
    seen.add(name);
  }
  return new MessageError('duplicate_attribute', 'an attribute is given twice');
}
