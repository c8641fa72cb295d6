const SEPARATORS = { parts: ',', attributes: '+' } as const;

/**
 * A distinguished name (RFC 4514) in one spelling: without blanks around its separators, types in capitals, attributes of a
 * part in order, special characters escaped in one way. So two names are the same when their spellings are.
 */
export function canonicalName(name: string): string {
  return splitAt(name, SEPARATORS.parts)
    .map((part) => splitAt(part, SEPARATORS.attributes).map(canonicalAttribute).sort().join('+'))
    .join(',');
}

function canonicalAttribute(attribute: string): string {
  const equals = attribute.indexOf('=');
  const type = attribute.slice(0, Math.max(0, equals)).trim().toUpperCase();
  return `${type}=${JSON.stringify(unescaped(attribute.slice(equals + 1).replace(/^ +|(?<!\\) +$/g, '')))}`;
}

/** Splits at a separator that no backslash is before. */
function splitAt(text: string, separator: string): string[] {
  const parts: string[] = [];
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === separator) {
      parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  return [...parts, text.slice(from)];
}

/** `\,` is a comma, and `\C3\A9` the bytes of a character in UTF-8. */
function unescaped(value: string): string {
  return value.replace(/((?:\\[0-9A-Fa-f]{2})+)|\\(.)/gs, (_, hex: string | undefined, character = '') =>
    hex === undefined ? String(character) : Buffer.from(hex.replaceAll('\\', ''), 'hex').toString('utf8'),
  );
}
