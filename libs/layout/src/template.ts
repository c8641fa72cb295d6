/** A template of a path: `tenant={ext.tenant|none}/dt={time:%Y-%m-%d}`. */

/** What a path takes from an event. */
export interface Variable {
  /** As it is written in a template, without braces: `type`, `ext.tenant`, `data:/order/country`. */
  readonly written: string;
  /** A context attribute, or a place in the data by its JSON Pointer (RFC 6901). */
  readonly kind: 'attribute' | 'data';
  /** The attribute's name, or the pointer. */
  readonly name: string;
}

export type Piece =
  | { readonly kind: 'text'; readonly text: string }
  /** Such as `%Y/%m/%d`. */
  | { readonly kind: 'time'; readonly format: string }
  /** `fallback` stands where an event has no value; null: every event has one. */
  | { readonly kind: 'value'; readonly variable: Variable; readonly fallback: string | null };

/** A template that cannot be used, and where its mistake is. */
export class TemplateError extends Error {
  /** Of the character, from 1. */
  readonly position: number;
  constructor(message: string, position: number) {
    super(`${message} (at character ${position})`);
    this.name = 'TemplateError';
    this.position = position;
  }
}

export const DIRECTIVES = ['Y', 'm', 'd', 'H', 'M', 'j'] as const;
export type Directive = (typeof DIRECTIVES)[number];

/** What does not stay as it is in a path. `%` and `~` belong to the encoding of values. */
const NO_TEXT = /[^A-Za-z0-9._=+/-]/;
const FALLBACK = /^[A-Za-z0-9._-]{1,100}$/;
const EXTENSION = /^[a-z0-9]+$/;
const POINTER = /^(?:\/(?:[^~/]|~[01])*)+$/;
const CORE = new Set([
  ...['specversion', 'id', 'source', 'type', 'subject', 'time', 'datacontenttype', 'dataschema'],
  ...['data', 'data_base64'],
]);

/**
 * The pieces of a template.
 * @throws TemplateError
 */
export function parseTemplate(template: string): readonly Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  while (at < template.length) {
    if (template[at] === '{') {
      const end = template.indexOf('}', at);
      if (end === -1) throw new TemplateError('a { without }', at + 1);
      pieces.push(placeholder(template.slice(at + 1, end), at + 1));
      at = end + 1;
    } else {
      const next = template.indexOf('{', at);
      const text = template.slice(at, next === -1 ? undefined : next);
      checkText(text, at);
      pieces.push({ kind: 'text', text });
      at += text.length;
    }
  }
  checkOrder(pieces);
  return pieces;
}

function checkText(text: string, at: number): void {
  const wrong = text.search(NO_TEXT);
  if (wrong === -1) return;
  throw new TemplateError('text outside of braces has only A-Z a-z 0-9 . _ = + / -', at + wrong + 1);
}

/** @param at the index of its first character within the braces */
function placeholder(written: string, at: number): Piece {
  if (written.startsWith('time:')) {
    const format = written.slice('time:'.length);
    checkFormat(format, at + 'time:'.length);
    return { kind: 'time', format };
  }
  const bar = written.indexOf('|');
  const name = bar === -1 ? written : written.slice(0, bar);
  const fallback = bar === -1 ? null : written.slice(bar + 1);
  const { variable, isOptional } = variableOf(name, at);
  if (fallback !== null && !FALLBACK.test(fallback)) {
    throw new TemplateError('a default has 1 to 100 of A-Z a-z 0-9 . _ -', at + bar + 2);
  }
  if (fallback === null && isOptional) {
    throw new TemplateError(`not every event has ${name}: it needs a default, as in {${name}|none}`, at + 1);
  }
  return { kind: 'value', variable, fallback };
}

/**
 * What `{…}` in a template, or in a tag, names.
 * @throws TemplateError
 */
export function variableOf(written: string, at = 0): { readonly variable: Variable; readonly isOptional: boolean } {
  if (written === 'type' || written === 'source' || written === 'subject') {
    return { variable: { written, kind: 'attribute', name: written }, isOptional: written === 'subject' };
  }
  if (written.startsWith('ext.')) {
    const name = written.slice('ext.'.length);
    if (!EXTENSION.test(name) || CORE.has(name)) {
      throw new TemplateError('ext. is followed by the name of an extension attribute: a-z and 0-9', at + 5);
    }
    return { variable: { written, kind: 'attribute', name }, isOptional: true };
  }
  if (written.startsWith('data:')) {
    const name = written.slice('data:'.length);
    if (!POINTER.test(name)) throw new TemplateError('data: is followed by a JSON Pointer: /order/country', at + 6);
    return { variable: { written, kind: 'data', name }, isOptional: true };
  }
  throw new TemplateError('{…} is time:FORMAT, type, source, subject, ext.NAME or data:/POINTER', at + 1);
}

function checkFormat(format: string, at: number): void {
  for (let index = 0; index < format.length; index++) {
    const character = format.charAt(index);
    if (character === '%') {
      index += 1;
      if (isDirective(format.charAt(index))) continue;
      throw new TemplateError('% is followed by one of Y m d H M j', at + index + 1);
    }
    if (NO_TEXT.test(character))
      throw new TemplateError('a format has only % and A-Z a-z 0-9 . _ = + / -', at + index + 1);
  }
  if (!format.includes('%')) throw new TemplateError('a format has at least one of %Y %m %d %H %M %j', at + 1);
}

export function isDirective(character: string): character is Directive {
  return (DIRECTIVES as readonly string[]).includes(character);
}

/** Values are confined to their place: none begins a path, and none can be read as a part of another. */
function checkOrder(pieces: readonly Piece[]): void {
  const [first] = pieces;
  if (first === undefined) throw new TemplateError('a template is not empty', 1);
  if (first.kind === 'value') throw new TemplateError('a template begins with text or time', 1);
  let hasValue = false;
  for (const piece of pieces) {
    if (piece.kind === 'value') {
      if (hasValue) {
        const { written } = piece.variable;
        throw new TemplateError(`between {${written}} and the value before it is a / or = or +`, 1);
      }
      hasValue = true;
    } else if (/[/=+]/.test(piece.kind === 'text' ? piece.text : piece.format)) {
      hasValue = false;
    }
  }
}
