/** Binary mode (HTTP binding 1.0.2, section 3.1). */
import { isUtf8 } from 'node:buffer';
import { valueReader, type ValueReader } from './attribute-encoding.ts';
import { checkName, checkRequired, checkString, checkValue, invalidValue, isBase64 } from './attributes.ts';
import { type Decoding, TRACEPARENT } from './decoding.ts';
import { isPlain } from './header-value.ts';
import { compactJson, hasLoneSurrogate, loneSurrogate, parseJson } from './json.ts';
import { dataKind, parseMediaType } from './media-type.ts';
import type { DataKind } from './media-type.ts';
import { MessageError, shown } from './message-error.ts';
import { bytesMember, IMPLIED_TYPE, keepOpaque } from './opaque.ts';
import { plainJson } from './plain-json.ts';

const LETTER_C = 0x63;
const LETTER_E = 0x65;
const HYPHEN = 0x2d;
const PREFIX_CHARACTERS = 3;

/** The attributes of a message in binary mode, without datacontenttype. */
interface HeaderAttributes {
  /** As members of a JSON object, in the order of the headers. */
  readonly members: string;
  readonly isLegacy: boolean;
  /** In specversion 0.3; null in others, where it is an ordinary extension. */
  readonly contentEncoding: string | null;
}

/**
 * Decodes an event in `ce-` headers and a body to the JSON format: attributes in the order of the headers, then
 * datacontenttype, then the data.
 *
 * @param contentType the Content-Type header as received, null without one
 * @throws MessageError
 */
export function decodeBinary(
  rawHeaders: readonly string[],
  contentType: string | null,
  body: Buffer,
  decoding: Decoding,
): string {
  const attributes = readAttributes(rawHeaders, decoding);
  if (contentType === null) return `{${attributes.members}${data(attributes, 'unknown', body, decoding)}}`;
  const { value, kind } = readContentType(contentType);
  const dataMember = data(attributes, kind, body, decoding);
  return `{${attributes.members},"datacontenttype":${JSON.stringify(value)}${dataMember}}`;
}

export function hasAttributeHeader(rawHeaders: readonly string[]): boolean {
  for (let at = 0; at < rawHeaders.length; at += 2) if (isAttributeHeader(rawHeaders[at] ?? '')) return true;
  return false;
}

function readAttributes(rawHeaders: readonly string[], { attributeEncoding, traceparent }: Decoding): HeaderAttributes {
  const names = new Set<string>();
  let members = '';
  let isLegacy = false;
  let contentEncoding: string | null = null;
  let read: ValueReader | null = null;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const header = rawHeaders[at] ?? '';
    if (!isAttributeHeader(header)) continue;
    const name = header.slice(PREFIX_CHARACTERS).toLowerCase();
    checkHeaderName(name);
    if (names.has(name)) throw new MessageError('duplicate_attribute', `header ${shown(header)} is given twice`);
    names.add(name);

    const raw = rawHeaders[at + 1] ?? '';
    let value = raw;
    if (isPlain(raw)) {
      checkValue(name, raw);
      members += `,"${name}":"${raw}"`;
    } else {
      read ??= valueReader(rawHeaders, attributeEncoding);
      value = readAttribute(name, raw, read);
      members += `,"${name}":${JSON.stringify(value)}`;
    }
    if (name === 'specversion') isLegacy = value === '0.3';
    else if (name === 'datacontentencoding') contentEncoding = value;
    else if (traceparent !== undefined && name === TRACEPARENT) traceparent(value, 0);
  }
  checkRequired((name) => names.has(name));
  return { members: members.slice(1), isLegacy, contentEncoding: isLegacy ? contentEncoding : null };
}

function isAttributeHeader(header: string): boolean {
  return (
    header.charCodeAt(2) === HYPHEN &&
    (header.charCodeAt(0) | 0x20) === LETTER_C &&
    (header.charCodeAt(1) | 0x20) === LETTER_E
  );
}

function checkHeaderName(name: string): void {
  checkName(name);
  if (name === 'datacontenttype') {
    throw new MessageError('attribute_name', 'ce-datacontenttype must not be sent: Content-Type replaces it');
  }
  if (name === 'data') throw new MessageError('attribute_name', 'ce-data must not be sent: data is the body');
}

function readAttribute(name: string, raw: string, read: ValueReader): string {
  const value = read(raw);
  if (value === null) throw new MessageError('utf8', `attribute ${shown(name)}: not valid UTF-8`);
  checkString(name, value);
  return value;
}

/** Neither unquoted nor percent-decoded, because a media type has its own grammar. */
function readContentType(raw: string): { value: string; kind: DataKind } {
  let value = raw;
  if (!isPlain(raw)) {
    const bytes = Buffer.from(raw, 'latin1');
    if (!isUtf8(bytes)) throw new MessageError('utf8', 'header Content-Type is not valid UTF-8');
    value = bytes.toString('utf8');
    checkString('datacontenttype', value);
  }
  const mediaType = parseMediaType(value);
  if (mediaType === null) throw new MessageError('content_type', `Content-Type ${shown(value)} is not a media type`);
  return { value, kind: dataKind(mediaType) };
}

/** The last member of the event, with the comma before it; empty for an empty body, which means no data. */
function data(attributes: HeaderAttributes, kind: DataKind | 'unknown', body: Buffer, decoding: Decoding): string {
  if (attributes.contentEncoding !== null) return encodedData(attributes.contentEncoding, body);
  if (body.length === 0) return '';
  switch (kind) {
    case 'json':
      return declaredJson(attributes, body, decoding);
    case 'text':
      return isUtf8(body) ? `,"data":${JSON.stringify(body.toString('utf8'))}` : bytes(attributes, body);
    case 'unknown':
      return undeclaredData(attributes, body, decoding);
    case 'binary':
      return bytes(attributes, body);
  }
}

function bytes({ isLegacy }: HeaderAttributes, body: Buffer): string {
  return `,${bytesMember(isLegacy, body)}`;
}

function declaredJson(attributes: HeaderAttributes, body: Buffer, decoding: Decoding): string {
  const plain = plainJson(body);
  if (plain !== null) return `,"data":${plain}`;
  try {
    const { text } = parseJson(body, 'the body, declared as JSON,');
    if (hasLoneSurrogate(text)) throw loneSurrogate('the body');
    return `,"data":${compactJson(text)}`;
  } catch (error) {
    keepOpaque(decoding, error);
    return bytes(attributes, body);
  }
}

/**
 * Data without a Content-Type. In the JSON format, `data` of an event without datacontenttype is JSON (section 3.1.1),
 * so JSON is stored there; real brokers send such events. Anything else violates no declaration: its bytes are kept (as a
 * JSON string they would be other bytes).
 */
function undeclaredData(attributes: HeaderAttributes, body: Buffer, decoding: Decoding): string {
  const plain = plainJson(body);
  if (plain !== null) return `,"data":${plain}`;
  const text = jsonText(body);
  if (text === null) return bytes(attributes, body);
  if (!hasLoneSurrogate(text)) return `,"data":${compactJson(text)}`;
  keepOpaque(decoding, loneSurrogate('the body'));
  return `,"datacontenttype":"${IMPLIED_TYPE}"${bytes(attributes, body)}`;
}

function jsonText(body: Buffer): string | null {
  if (!isUtf8(body)) return null;
  const text = body.toString('utf8');
  try {
    JSON.parse(text);
    return text;
  } catch {
    return null;
  }
}

/** CloudEvents 0.3: the body is already Base64 text. */
function encodedData(encoding: string, body: Buffer): string {
  if (encoding.toLowerCase() !== 'base64') throw invalidValue('datacontentencoding', 'only "base64" is known');
  if (body.length === 0) return '';
  const text = body.toString('latin1');
  if (!isBase64(text)) throw new MessageError('data', 'the body is not padded Base64, as ce-datacontentencoding says');
  return `,"data":"${text}"`;
}
