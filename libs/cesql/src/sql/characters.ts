const SURROGATE = /[\ud800-\udfff]/;
const WHITE_SPACE = /^\p{White_Space}$/u;

/** A character is a code point: a text as a list of them, where the units of its string are not the same. */
function beyondUnits(text: string): readonly string[] | null {
  return SURROGATE.test(text) ? Array.from(text) : null;
}

export function lengthOf(text: string): number {
  return beyondUnits(text)?.length ?? text.length;
}

/** Characters `from` up to `to`, counted from 0. */
export function charactersOf(text: string, from: number, to: number): string {
  return beyondUnits(text)?.slice(from, to).join('') ?? text.slice(from, to);
}

/** Without the white space of Unicode at both ends. */
export function trim(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && WHITE_SPACE.test(text.charAt(from))) from += 1;
  while (to > from && WHITE_SPACE.test(text.charAt(to - 1))) to -= 1;
  return text.slice(from, to);
}
