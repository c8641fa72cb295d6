import type { ProducerSettings } from '@sink/config';

/** A pattern in which `*` is any run of characters. It matches the whole text, in linear time. */
export class Pattern {
  readonly #first: string;
  /** What comes between two stars, with the failure table of Knuth, Morris and Pratt. */
  readonly #inner: readonly { readonly text: string; readonly table: readonly number[] }[];
  /** Null: there is no star. */
  readonly #last: string | null;

  constructor(pattern: string) {
    const [first = '', ...rest] = pattern.split('*');
    this.#first = first;
    this.#last = rest.pop() ?? null;
    this.#inner = rest.filter((text) => text !== '').map((text) => ({ text, table: failureTable(text) }));
  }

  matches(text: string): boolean {
    if (this.#last === null) return text === this.#first;
    const end = text.length - this.#last.length;
    if (end < this.#first.length || !text.startsWith(this.#first) || !text.endsWith(this.#last)) return false;
    let at = this.#first.length;
    for (const inner of this.#inner) {
      at = endOf(inner, text, at, end);
      if (at === -1) return false;
    }
    return true;
  }
}

/** For each length of a part, how much of it is also its beginning. */
function failureTable(part: string): number[] {
  const table = [0];
  for (let at = 1, known = 0; at < part.length; at++) {
    while (known > 0 && part[at] !== part[known]) known = table[known - 1] ?? 0;
    if (part[at] === part[known]) known += 1;
    table.push(known);
  }
  return table;
}

/** Where the first occurrence between two places ends; -1: there is none. */
function endOf(
  { text: part, table }: { readonly text: string; readonly table: readonly number[] },
  text: string,
  from: number,
  to: number,
): number {
  let known = 0;
  for (let at = from; at < to; at++) {
    while (known > 0 && text[at] !== part[known]) known = table[known - 1] ?? 0;
    if (text[at] === part[known]) known += 1;
    if (known === part.length) return at + 1;
  }
  return -1;
}

/** Which events a producer may send. */
export class Only {
  readonly #types: readonly Pattern[] | null;
  readonly #sources: readonly Pattern[] | null;

  private constructor({ types, sources }: ProducerSettings['only']) {
    this.#types = types?.map((type) => new Pattern(type)) ?? null;
    this.#sources = sources?.map((source) => new Pattern(source)) ?? null;
  }

  /** Null: all. */
  static of(settings: ProducerSettings['only']): Only | null {
    return settings.types === null && settings.sources === null ? null : new Only(settings);
  }

  /** Why the producer may not send these events, in one line; null: it may send all of them. @param lines decoded events */
  problem(lines: readonly string[]): string | null {
    for (const [index, line] of lines.entries()) {
      const { type, source } = JSON.parse(line) as { type: string; source: string };
      const what = !allows(this.#types, type) ? `type ${quoted(type)}` : `source ${quoted(source)}`;
      if (allows(this.#types, type) && allows(this.#sources, source)) continue;
      return lines.length === 1 ? what : `${what} of batch element ${index}`;
    }
    return null;
  }
}

function allows(patterns: readonly Pattern[] | null, text: string): boolean {
  return patterns === null || patterns.some((pattern) => pattern.matches(text));
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
