import { CesqlError } from './cesql-error.ts';

export type Token =
  | { readonly kind: 'word'; readonly text: string; readonly at: number }
  | { readonly kind: 'integer'; readonly text: string; readonly at: number }
  | { readonly kind: 'string'; readonly text: string; readonly at: number }
  | { readonly kind: 'sign'; readonly text: string; readonly at: number }
  | { readonly kind: 'end'; readonly text: ''; readonly at: number };

const SPACE = /[ \t\r\n]/;
const WORD = /[A-Za-z0-9_]+/y;
const SIGNS = ['!=', '<>', '<=', '>=', '=', '<', '>', '+', '-', '*', '/', '%', '(', ')', ','];

/** The tokens of an expression, in one pass. */
export function tokensOf(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let index = 0;
  while (index < text.length) {
    const char = text.charAt(index);
    if (SPACE.test(char)) {
      index += 1;
      continue;
    }
    const token = char === "'" || char === '"' ? quoted(text, index, char) : wordOrSign(text, index);
    tokens.push(token.token);
    index = token.end;
  }
  tokens.push({ kind: 'end', text: '', at: text.length + 1 });
  return tokens;
}

/** A text in quotes. A quote inside is written `\'` (or `\"`); every other `\` is itself. */
function quoted(text: string, start: number, quote: string): { token: Token; end: number } {
  let content = '';
  let from = start + 1;
  for (let index = from; index < text.length; index += 1) {
    const char = text.charAt(index);
    if (char === '\\' && text.charAt(index + 1) === quote) {
      content += text.slice(from, index) + quote;
      index += 1;
      from = index + 1;
    } else if (char === quote) {
      return { token: { kind: 'string', text: content + text.slice(from, index), at: start + 1 }, end: index + 1 };
    }
  }
  throw new CesqlError('parse', start + 1, `the text that begins here has no end: close it with ${quote}`);
}

function wordOrSign(text: string, start: number): { token: Token; end: number } {
  WORD.lastIndex = start;
  const word = WORD.exec(text)?.[0];
  if (word !== undefined) {
    const kind = /^[0-9]+$/.test(word) ? 'integer' : 'word';
    return { token: { kind, text: word, at: start + 1 }, end: start + word.length };
  }
  const sign = SIGNS.find((candidate) => text.startsWith(candidate, start));
  if (sign === undefined) throw new CesqlError('parse', start + 1, unknownCharacter(text, start));
  return { token: { kind: 'sign', text: sign, at: start + 1 }, end: start + sign.length };
}

function unknownCharacter(text: string, at: number): string {
  const char = String.fromCodePoint(text.codePointAt(at) ?? 0);
  const remedy = { '.': ': text is written in quotes', '&': ': write AND', '|': ': write OR', '!': ': write NOT' }[
    char
  ];
  return `"${char}" means nothing here${remedy ?? ''}`;
}
