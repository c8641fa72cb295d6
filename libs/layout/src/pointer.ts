/** The names along a JSON Pointer (RFC 6901). */
export function pointerNames(pointer: string): readonly string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
}

const INDEX = /^(?:0|[1-9]\d*)$/;

/**
 * The string or integer at this place of parsed JSON, as text; undefined: there is none. An integer that JavaScript does
 * not hold exactly is none, because two of them would be one.
 */
export function textAt(data: unknown, names: readonly string[]): string | undefined {
  let found = data;
  for (const name of names) {
    if (typeof found !== 'object' || found === null) return undefined;
    if (Array.isArray(found) && !INDEX.test(name)) return undefined;
    if (!Object.hasOwn(found, name)) return undefined;
    found = Reflect.get(found, name);
  }
  if (typeof found === 'string') return found;
  return Number.isSafeInteger(found) ? String(found) : undefined;
}
