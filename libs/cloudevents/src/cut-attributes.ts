import { BACKSLASH, CLOSE_BRACE, QUOTE, stringEnd, valueEnd } from './json.ts';

/** A context attribute. Undefined: the event has none, or it is null or a map (CloudEvents 0.3). */
export type AttributeValue = string | number | boolean | undefined;

/** The values of some attributes, in the order of their names. */
export type CutAttributes = (line: string) => AttributeValue[];

/**
 * Cuts attributes out of the lines of events. A line is not parsed, and is read only up to the last attribute that is wanted.
 *
 * @param names of context attributes, each once; `data` and `data_base64` are none
 */
export function attributeCutter(names: readonly string[]): CutAttributes {
  const none = names.map(() => undefined);
  return (line) => {
    const values: AttributeValue[] = none.slice();
    let left = names.length;
    let at = 1;
    while (left > 0 && line.charCodeAt(at) === QUOTE) {
      const nameEnd = stringEnd(line, at);
      const valueAt = nameEnd + 1;
      const isText = line.charCodeAt(valueAt) === QUOTE;
      const end = isText ? stringEnd(line, valueAt) : valueEnd(line, valueAt);
      const index = indexOf(names, line, at, nameEnd);
      if (index !== -1) {
        values[index] = isText ? textOf(line, valueAt, end) : valueOf(JSON.parse(line.slice(valueAt, end)));
        left -= 1;
      }
      if (line.charCodeAt(end) === CLOSE_BRACE) break;
      at = end + 1;
    }
    return values;
  };
}

function indexOf(names: readonly string[], line: string, at: number, nameEnd: number): number {
  const length = nameEnd - at - 2;
  for (let index = 0; index < names.length; index++) {
    const name = names[index];
    if (name?.length === length && line.startsWith(name, at + 1)) return index;
  }
  // An attribute's name has no other escapes: it is of a-z and 0-9.
  if (line.charCodeAt(at + 1) !== BACKSLASH && !line.slice(at, nameEnd).includes('\\u')) return -1;
  return names.indexOf(String(JSON.parse(line.slice(at, nameEnd))));
}

function textOf(line: string, at: number, end: number): string {
  const text = line.slice(at + 1, end - 1);
  return text.includes('\\') ? String(JSON.parse(line.slice(at, end))) : text;
}

function valueOf(value: unknown): AttributeValue {
  return typeof value === 'number' || typeof value === 'boolean' ? value : undefined;
}
