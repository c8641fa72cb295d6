/** Readers of Redis' replies: a reply is foreign input, and is parsed before it is used. */
import {
  CHUNK_VERSION,
  type Chunk,
  DEFAULT_ROUTE,
  isRoute,
  isSafePath,
  partitionSpan,
  ROUTED_CHUNK_VERSION,
} from '@sink/domain';
import { UnexpectedAnswer } from './port.ts';

export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function asText(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (Buffer.isBuffer(value)) return value.toString('latin1');
  return typeof value === 'number' ? String(value) : null;
}

/** A whole number that is not negative, as Redis or a script writes it; `null` for anything else. */
export function asInteger(value: unknown): number | null {
  const text = asText(value);
  if (text === null || !/^\d{1,16}$/.test(text)) return null;
  const integer = Number(text);
  return Number.isSafeInteger(integer) ? integer : null;
}

/** The reply, which has to be one of these words. @throws UnexpectedAnswer */
export function oneOf<const Word extends string>(words: readonly Word[], reply: unknown, action: string): Word {
  const word = words.find((candidate) => candidate === reply);
  if (word === undefined) throw new UnexpectedAnswer(action, reply);
  return word;
}

/** The reply, which has to be text. @throws UnexpectedAnswer */
export function text(reply: unknown, action: string): string {
  if (typeof reply !== 'string') throw new UnexpectedAnswer(action, reply);
  return reply;
}

/** The reply, which has to be a whole number that is not negative. @throws UnexpectedAnswer */
export function integer(reply: unknown, action: string): number {
  const value = asInteger(reply);
  if (value === null) throw new UnexpectedAnswer(action, reply);
  return value;
}

/** When a chunk was appended, in Unix time by Redis' clock, from its id. @throws UnexpectedAnswer */
export function appendedMs(id: unknown, action: string): number {
  return integer(/^(\d+)-\d+$/.exec(text(id, action))?.[1], action);
}

/** A flat list of fields and values (RESP2), or a map of them (RESP3), as an object. */
export function asFields(value: unknown): Record<string, unknown> {
  if (value instanceof Map) return Object.fromEntries(value) as Record<string, unknown>;
  if (!Array.isArray(value)) return typeof value === 'object' && value !== null ? { ...value } : {};
  const fields: Record<string, unknown> = {};
  for (let i = 0; i + 1 < value.length; i += 2) fields[asText(value[i]) ?? ''] = value[i + 1];
  return fields;
}

/**
 * The entries of one stream in a reply of XREADGROUP: `[[key, entries]]` (RESP2), `[key, entries]` or a map (RESP3), or
 * null if there are none.
 */
export function entriesRead(reply: unknown): readonly unknown[] {
  if (reply === null || reply === undefined) return [];
  if (!Array.isArray(reply)) return asList(Object.values(asFields(reply))[0]);
  const [first, second] = reply as unknown[];
  return asList(Array.isArray(first) ? first[1] : second);
}

/** What the stream has under an id: a chunk, nothing any more, or an entry that this software did not write and never touches. */
export type StreamEntry =
  | { readonly kind: 'chunk'; readonly id: string; readonly chunk: Chunk }
  | { readonly kind: 'deleted'; readonly id: string }
  | { readonly kind: 'foreign'; readonly id: string; readonly problem: string };

export function parseEntry(entry: unknown): StreamEntry {
  const [idValue, fieldsValue] = asList(entry);
  const id = asText(idValue) ?? '';
  if (fieldsValue === null || fieldsValue === undefined) return { kind: 'deleted', id };
  const fields = asFields(fieldsValue);
  const foreign = (problem: string): StreamEntry => ({ kind: 'foreign', id, problem });
  const version = asText(fields['v']);
  const isRouted = version === String(ROUTED_CHUNK_VERSION);
  if (!isRouted && version !== String(CHUNK_VERSION))
    return foreign(`version ${version ?? 'missing'} is not ${CHUNK_VERSION} or ${ROUTED_CHUNK_VERSION}`);
  const route = isRouted ? asText(fields['r']) : DEFAULT_ROUTE;
  const path = asText(fields['p']);
  const count = asInteger(fields['n']);
  const acceptedAtMs = asInteger(fields['t']);
  const body = fields['b'];
  if (route === null || !isRoute(route)) return foreign('its route is not the name of one');
  if (path === null || !(isRouted ? isSafePath(path) : partitionSpan(path) !== null))
    return foreign(isRouted ? 'its path is not safe' : 'its partition is not a time slot');
  if (count === null || count === 0) return foreign('its count is not a positive integer');
  if (acceptedAtMs === null) return foreign('its time of acceptance is not an integer');
  if (!Buffer.isBuffer(body) || body.at(-1) !== 0x0a) return foreign('its body does not end in LF');
  // Releases before tracing neither write nor read it. Whatever it is, the events are sound.
  const origins = asText(fields['o']);
  return { kind: 'chunk', id, chunk: { id, route, path, count, acceptedAtMs, body, origins } };
}
