/** Readers of Redis' replies: a reply is foreign input, and is parsed before it is used. */
import { CHUNK_VERSION, type Chunk, partitionEndMs } from '@sink/domain';

export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function asText(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (Buffer.isBuffer(value)) return value.toString('latin1');
  return typeof value === 'number' ? String(value) : null;
}

/** A flat list of fields and values, or a map of them (RESP3), as an object. */
export function asFields(value: unknown): Record<string, unknown> {
  if (!Array.isArray(value)) return typeof value === 'object' && value !== null ? { ...value } : {};
  const fields: Record<string, unknown> = {};
  for (let i = 0; i + 1 < value.length; i += 2) fields[asText(value[i]) ?? ''] = value[i + 1];
  return fields;
}

/** What stands under an id of the stream: a chunk, nothing any more, or something that is not ours to touch. */
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
  if (version !== String(CHUNK_VERSION)) return foreign(`version ${version ?? 'missing'} is not ${CHUNK_VERSION}`);
  const partition = asText(fields['p']);
  const count = Number(asText(fields['n']));
  const acceptedAtMs = Number(asText(fields['t']));
  const body = fields['b'];
  if (partition === null || partitionEndMs(partition) === null) return foreign('its partition is not a time slot');
  if (!Number.isSafeInteger(count) || count < 1) return foreign('its count is not a positive integer');
  if (!Number.isSafeInteger(acceptedAtMs)) return foreign('its time of acceptance is not an integer');
  if (!Buffer.isBuffer(body) || body.at(-1) !== 0x0a) return foreign('its body does not end in LF');
  return { kind: 'chunk', id, chunk: { id, partition, count, acceptedAtMs, body } };
}
