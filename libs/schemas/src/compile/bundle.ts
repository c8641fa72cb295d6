import type { SchemaDocument } from '../sources/source.ts';
import { ParsedDocument, type Place, resolveUri, splitUri } from './document.ts';
import { type Draft, FORMATS, IMPLIED_DRAFT, KEYWORDS } from './keywords.ts';
import { isObject, type JsonObject, shown, Unusable } from './unusable.ts';

const FORMAT_NAMES: ReadonlySet<unknown> = new Set(FORMATS);

/** A schema with all that it refers to, in known keywords only. A `$ref` in it is always `#/$defs/N`, the N-th definition. */
export interface Bundle {
  readonly draft: Draft;
  readonly definitions: readonly (JsonObject | boolean)[];
}

export type Bundled =
  | { readonly kind: 'bundle'; readonly bundle: Bundle }
  /** Other documents are needed first. */
  | { readonly kind: 'needs'; readonly uris: readonly string[] };

/**
 * Puts a schema together from its documents. What the compiler gets has none of the URIs, anchors, annotations and unknown
 * keywords that were sent: whatever it would do with them, a stranger cannot make it do.
 *
 * @param uri of the schema; a fragment leads to a part of the first document
 * @param check throws if a value is no schema; each of them is given once, with all that is in it
 * @throws Unusable
 */
export function bundle(
  uri: string,
  documents: readonly Pick<SchemaDocument, 'uri' | 'text' | 'references'>[],
  check: (schema: JsonObject, draft: Draft) => void,
): Bundled {
  return new Bundling(documents, check).from(uri);
}

export function refTo(index: number): string {
  return `#/$defs/${index}`;
}

/** The index of the definition that a schema of a bundle refers to; null: it refers to none. */
export function refOf(schema: JsonObject): number | null {
  const { $ref: ref } = schema;
  return typeof ref === 'string' ? Number(ref.slice(refTo(0).length - 1)) : null;
}

class Bundling {
  readonly #documents: readonly ParsedDocument[];
  readonly #check: (schema: JsonObject, draft: Draft) => void;
  readonly #checked = new Set<JsonObject>();
  readonly #definitions: (JsonObject | boolean)[] = [];
  /** Schemas that were referred to, with the index of their definition. */
  readonly #indices = new Map<JsonObject | boolean, number>();
  readonly #waiting: (() => void)[] = [];
  readonly #needs = new Set<string>();

  constructor(
    documents: readonly Pick<SchemaDocument, 'uri' | 'text' | 'references'>[],
    check: (schema: JsonObject, draft: Draft) => void,
  ) {
    const parsed: ParsedDocument[] = [];
    for (const document of documents) parsed.push(new ParsedDocument(document, parsed[0]?.draft ?? IMPLIED_DRAFT));
    if (parsed.some(({ draft }) => draft !== parsed[0]?.draft)) {
      throw new Unusable('it refers to a schema of another draft of JSON Schema');
    }
    this.#documents = parsed;
    this.#check = check;
  }

  from(uri: string): Bundled {
    const [first] = this.#documents;
    if (first === undefined) throw new Error('bundling a schema: there is no document');
    for (const { root, draft } of this.#documents) if (isObject(root)) this.#checkOnce(root, draft);
    const [base, fragment] = splitUri(uri);
    this.#define(this.#target(fragment === undefined ? '' : `#${fragment}`, { base, document: first }));
    for (let next = this.#waiting.pop(); next !== undefined; next = this.#waiting.pop()) next();
    if (this.#needs.size > 0) return { kind: 'needs', uris: [...this.#needs] };
    return { kind: 'bundle', bundle: { draft: first.draft, definitions: this.#definitions } };
  }

  /** @returns the index of its definition */
  #define(found: { readonly schema: JsonObject | boolean; readonly document: ParsedDocument }): number {
    const { schema, document } = found;
    const known = this.#indices.get(schema);
    if (known !== undefined) return known;
    const index = this.#definitions.push(true) - 1;
    this.#indices.set(schema, index);
    if (isObject(schema)) this.#checkOnce(schema, document.draft);
    this.#waiting.push(() => (this.#definitions[index] = this.#emit(schema, document)));
    return index;
  }

  #checkOnce(schema: JsonObject, draft: Draft): void {
    if (this.#checked.has(schema)) return;
    this.#checked.add(schema);
    this.#check(schema, draft);
  }

  #emit(schema: unknown, document: ParsedDocument): JsonObject | boolean {
    if (typeof schema === 'boolean') return schema;
    if (!isObject(schema)) throw new Unusable('it has something else in place of a schema');
    const place = document.place(schema);
    if (place === undefined) throw new Unusable('it has a schema in an unexpected place');
    const { $ref: ref, $dynamicRef: dynamic } = schema;
    const refersTo = typeof ref === 'string' ? this.#define(this.#target(ref, place)) : null;
    if (document.draft === 'draft-07' && refersTo !== null) return { $ref: refTo(refersTo) };
    const emitted: Record<string, unknown> = refersTo === null ? {} : { $ref: refTo(refersTo) };
    const keywords = KEYWORDS[document.draft];
    for (const [name, value] of Object.entries(schema)) {
      if (keywords.plain.has(name)) emitted[name] = value;
      else if (name === 'format' && FORMAT_NAMES.has(value)) emitted[name] = value;
      else if (keywords.schemas.has(name) && Array.isArray(value)) {
        emitted[name] = value.map((inner) => this.#emit(inner, document));
      } else if (keywords.schema.has(name)) emitted[name] = this.#emit(value, document);
      else if (keywords.named.has(name) && isObject(value)) {
        emitted[name] = Object.fromEntries(
          Object.entries(value).map(([key, inner]) => [key, isNames(inner) ? inner : this.#emit(inner, document)]),
        );
      }
    }
    if (document.draft === '2020-12' && typeof dynamic === 'string') this.#addDynamic(emitted, dynamic, place);
    return emitted;
  }

  /** Where the name is given once, it can only mean that; where it is given more often, it depends on who refers to whom. */
  #addDynamic(emitted: Record<string, unknown>, ref: string, place: Place): void {
    const [, name = ''] = splitUri(ref);
    const named = this.#documents.flatMap((document) => document.dynamicAnchors.get(name) ?? []);
    if (named.length > 1) throw new Unusable(`$dynamicRef ${shown(ref)}: ${shown(name)} is given more than once`);
    const $ref = refTo(this.#define(this.#target(ref, place)));
    if (emitted['$ref'] === undefined) emitted['$ref'] = $ref;
    else emitted['allOf'] = [...((emitted['allOf'] as unknown[] | undefined) ?? []), { $ref }];
  }

  /** What a `$ref` leads to. If its document is not there yet it is noted, and anything takes its place. */
  #target(ref: string, { base, document }: Place): { schema: JsonObject | boolean; document: ParsedDocument } {
    const [given, fragment = ''] = splitUri(ref);
    const resolved = resolveUri(given, base);
    const uri =
      document.reference(given) ?? (resolved === null ? undefined : (document.reference(resolved) ?? resolved));
    if (uri === undefined)
      throw new Unusable(`$ref ${shown(ref)} is not absolute, and nothing says to what it is relative`);
    const holder = [document, ...this.#documents].find(({ resources }) => resources.has(uri));
    const resource = holder?.resources.get(uri);
    if (holder === undefined || resource === undefined) {
      this.#needs.add(uri);
      return { schema: true, document };
    }
    const schema =
      fragment === '' || fragment.startsWith('/')
        ? holder.at(resource, uri, fragment)
        : holder.anchors.get(`${uri}#${fragment}`);
    if (schema === undefined) throw new Unusable(`$ref ${shown(ref)} leads to nothing`);
    return { schema, document: holder };
  }
}

/** A dependency of draft-07 may be a list of names. */
function isNames(value: unknown): boolean {
  return Array.isArray(value) && value.every((name) => typeof name === 'string');
}
