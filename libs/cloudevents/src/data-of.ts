/** What a schema is about, in the line of an event that was decoded. The rest of the event is not parsed. */
import { isUtf8 } from 'node:buffer';
import { CLOSE_BRACE, QUOTE, stringEnd, valueEnd } from './json.ts';
import { dataKind, parseMediaType } from './media-type.ts';

const DATASCHEMA = 'dataschema';
/** A name that is written with escapes. */
const ESCAPE = '\\u';

/** The attribute `dataschema` of an event; null: it has none. */
export function dataschemaOf(line: string): string | null {
  // Nearly all events without it are told by this.
  if (!line.includes(DATASCHEMA) && !line.includes(ESCAPE)) return null;
  const found = memberTexts(line, [DATASCHEMA])[DATASCHEMA];
  const value: unknown = found === undefined ? null : JSON.parse(found);
  return typeof value === 'string' ? value : null;
}

/** An event's data if that is JSON, parsed; undefined: it has none, or it is none. */
export function parsedDataOf(line: string): unknown {
  const { text, base64 } = dataMembers(line);
  if (text !== undefined) return JSON.parse(text);
  const kept = keptText(base64);
  if (kept === null) return undefined;
  try {
    return JSON.parse(kept);
  } catch {
    return undefined;
  }
}

/** The text of an event's data if that is JSON; null: it has none, or it is none. What is in Base64 may be any bytes. */
export function dataOf(line: string): string | null {
  const { text, base64 } = dataMembers(line);
  if (text !== undefined) return text;
  const kept = keptText(base64);
  return kept === null ? null : jsonText(kept);
}

/** Both absent: there is no data, or its type is not JSON. */
function dataMembers(line: string): { readonly text?: string | undefined; readonly base64?: string | undefined } {
  const {
    data: text,
    data_base64: base64,
    datacontenttype: type,
  } = memberTexts(line, ['data', 'data_base64', 'datacontenttype']);
  return type !== undefined && !isJson(JSON.parse(type)) ? {} : { text, base64 };
}

/** Null: there are no such bytes, or they are no text. */
function keptText(base64: string | undefined): string | null {
  const bytes = base64 === undefined ? null : Buffer.from(String(JSON.parse(base64)), 'base64');
  return bytes !== null && isUtf8(bytes) ? bytes.toString('utf8') : null;
}

/** Null, which is "unset", means JSON (JSON format 1.0.2, section 3.1.1). */
function isJson(datacontenttype: unknown): boolean {
  if (typeof datacontenttype !== 'string') return true;
  const mediaType = parseMediaType(datacontenttype);
  return mediaType !== null && dataKind(mediaType) === 'json';
}

function jsonText(text: string): string | null {
  try {
    JSON.parse(text);
    return text;
  } catch {
    return null;
  }
}

/** The values of some members of the event itself, as they are written. The line is compact JSON without doubles. */
function memberTexts<Name extends string>(line: string, wanted: readonly Name[]): Partial<Record<Name, string>> {
  const found: Partial<Record<Name, string>> = {};
  let left: number = wanted.length;
  let at = 1;
  while (line.charCodeAt(at) === QUOTE) {
    const nameEnd = stringEnd(line, at);
    const written = line.slice(at + 1, nameEnd - 1);
    const name = written.includes(ESCAPE) ? String(JSON.parse(line.slice(at, nameEnd))) : written;
    const end = valueEnd(line, nameEnd + 1);
    const want = wanted.find((each) => each === name);
    if (want !== undefined) {
      found[want] = line.slice(nameEnd + 1, end);
      left -= 1;
    }
    if (left === 0 || line.charCodeAt(end) === CLOSE_BRACE) break;
    at = end + 1;
  }
  return found;
}
