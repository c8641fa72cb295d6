/** A schema that cannot be used. The message is for the producer, and for a log line. */
export class Unusable extends Error {
  override readonly name = 'Unusable';
}

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `text` for a message: quoted, on one line, shortened. */
export function shown(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
