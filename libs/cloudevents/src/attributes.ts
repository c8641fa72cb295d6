/**
 * The rules for context attributes: CloudEvents 1.0.2, sections "Context Attributes" and "Type System". They also apply
 * to specversion 0.3, which the original connector accepted; comments name the differences.
 *
 * URIs are not parsed: SDKs send what their users write, including spaces, and an unchanged event in the archive is
 * more useful than a dead letter.
 */
import { MessageError, shown } from './message-error.ts';
import { parseMediaType } from './media-type.ts';
import { isTimestamp } from './timestamp.ts';

/** The supported versions of the specification. */
export type SpecVersion = '1.0' | '0.3';

const NAME = /^[a-z0-9]+$/;
const REQUIRED = ['specversion', 'id', 'source', 'type'] as const;
const BEYOND_PRINTABLE_ASCII = /[^\x20-\x7e]/;
/** Control characters and noncharacters, which the type String excludes. Unpaired surrogates were refused before. */
const FORBIDDEN = /[\p{Cc}\p{Noncharacter_Code_Point}]/u;
const NOT_BASE64 = /[^A-Za-z0-9+/]/;

/**
 * Checks an attribute's name: lower-case letters and digits of any length ("SHOULD NOT exceed 20 characters" is advice
 * to producers).
 *
 * @throws MessageError `attribute_name`
 */
export function checkName(name: string): void {
  if (!NAME.test(name)) {
    throw new MessageError('attribute_name', `attribute name ${shown(name)}: only a-z and 0-9 are allowed`);
  }
}

/** Whether a String attribute may hold the text, apart from unpaired surrogates. */
export function isAllowedText(value: string): boolean {
  return !BEYOND_PRINTABLE_ASCII.test(value) || !FORBIDDEN.test(value);
}

/**
 * Checks an attribute whose value is a string.
 *
 * @throws MessageError `attribute_value`, `specversion` or `content_type`
 */
export function checkString(name: string, value: string): void {
  if (!isAllowedText(value)) {
    throw invalidValue(name, `${shown(value)} has a control character or noncharacter`);
  }
  checkValue(name, value);
}

/** The part of `checkString` that depends on the attribute, for values that are printable ASCII. */
export function checkValue(name: string, value: string): void {
  switch (name) {
    case 'specversion':
      if (!isSpecVersion(value)) throw new MessageError('specversion', `specversion: ${shown(value)} is not "1.0"`);
      return;
    case 'id':
    case 'source':
    case 'type':
    case 'subject':
    case 'dataschema':
      if (value === '') throw invalidValue(name, 'must not be empty');
      return;
    case 'time':
      if (!isTimestamp(value)) throw invalidValue(name, `${shown(value)} is not an RFC 3339 timestamp`);
      return;
    case 'datacontenttype':
      if (parseMediaType(value) === null) {
        throw new MessageError('content_type', `datacontenttype: ${shown(value)} is not a media type`);
      }
      return;
    default:
  }
}

/**
 * Checks an extension attribute in JSON: a string, a boolean or a 32-bit integer. In specversion 0.3 it may also be a
 * map.
 *
 * @throws MessageError `attribute_name` or `attribute_value`
 */
export function checkExtension(name: string, value: unknown, version: SpecVersion): void {
  checkName(name);
  switch (typeof value) {
    case 'string':
      checkString(name, value);
      return;
    case 'boolean':
      return;
    case 'number':
      if ((value | 0) !== value) throw notAnInteger(name);
      return;
    default:
      if (version === '0.3' && isObject(value)) return;
      throw invalidValue(name, 'must be a string, a boolean or an integer');
  }
}

/** @throws MessageError `missing_attribute` if a required attribute is absent or null */
export function checkRequired(isPresent: (name: string) => boolean): void {
  for (const name of REQUIRED) {
    if (!isPresent(name)) throw new MessageError('missing_attribute', `attribute ${name} is missing`);
  }
}

export function isSpecVersion(value: unknown): value is SpecVersion {
  return value === '1.0' || value === '0.3';
}

/** RFC 4648 section 4, padded, without line breaks. */
export function isBase64(value: string): boolean {
  if (value.length % 4 !== 0) return false;
  const padding = value.endsWith('==') ? 2 : value.endsWith('=') ? 1 : 0;
  return !NOT_BASE64.test(value.slice(0, value.length - padding));
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function notAnInteger(name: string): MessageError {
  return invalidValue(name, 'numbers must be integers from -2147483648 to 2147483647, without fraction or exponent');
}

export function invalidValue(name: string, problem: string): MessageError {
  return new MessageError('attribute_value', `attribute ${name}: ${problem}`);
}
