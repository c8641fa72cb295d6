/**
 * Data that is declared as JSON and is not, or that has an unpaired surrogate in a string: its bytes are kept, as Base64.
 * As JSON, one such event would make a whole object unreadable for some engines.
 */
import type { Decoding } from './decoding.ts';
import { compactJson, hasLoneSurrogate, loneSurrogate, type Member, membersOf } from './json.ts';
import { dataKind, parseMediaType } from './media-type.ts';
import { MessageError } from './message-error.ts';

/** The type of data without a declared one (JSON format 1.0.2, section 3.1.1). */
export const IMPLIED_TYPE = 'application/json';

/** Attributes that are null in an event with `data` are left out of its line, where other values take their place. */
const REPLACED_IF_NULL = new Set(['datacontenttype', 'data_base64', 'datacontentencoding']);

/** The members of an event that hold these bytes. */
export function bytesMember(isLegacy: boolean, body: Buffer): string {
  const base64 = body.toString('base64');
  return isLegacy ? `"datacontentencoding":"base64","data":"${base64}"` : `"data_base64":"${base64}"`;
}

/**
 * Notes that data is kept as bytes because of this mistake.
 * @throws the mistake, if such events are refused, and any other error
 */
export function keepOpaque({ malformedJson, opaque }: Decoding, mistake: unknown): void {
  if (!(mistake instanceof MessageError) || malformedJson === 'refuse') throw mistake;
  opaque();
}

/** @throws MessageError unless all unpaired surrogates of the event at `start` are in data that is JSON */
export function checkLoneSurrogates(text: string, start: number, event: Record<string, unknown>): void {
  const type = event['datacontenttype'] ?? IMPLIED_TYPE;
  const mediaType = typeof type === 'string' ? parseMediaType(type) : null;
  const isJson = mediaType !== null && dataKind(mediaType) === 'json';
  const mayHave = ({ name }: Member): boolean => name === 'data' && isJson;
  if (membersOf(text, start).some((member) => !mayHave(member) && hasLoneSurrogate(member.nameText + member.text))) {
    throw loneSurrogate('the event');
  }
}

/** The line of the event at `start` in `text`, with exactly the bytes of its data, and with their type. */
export function opaqueLine(text: string, start: number, event: Record<string, unknown>): string {
  const members: string[] = [];
  const isTyped = typeof event['datacontenttype'] === 'string';
  for (const { name, nameText, text: value } of membersOf(text, start)) {
    if (name === 'data') {
      if (!isTyped) members.push(`"datacontenttype":"${IMPLIED_TYPE}"`);
      members.push(bytesMember(event['specversion'] === '0.3', Buffer.from(value)));
    } else if (event[name] !== null || !REPLACED_IF_NULL.has(name)) {
      members.push(`${nameText}:${compactJson(value)}`);
    }
  }
  return `{${members.join()}}`;
}
