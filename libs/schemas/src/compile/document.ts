import type { SchemaDocument } from '../sources/source.ts';
import { type Draft, draftOf, KEYWORDS } from './keywords.ts';
import { isObject, type JsonObject, shown, Unusable } from './unusable.ts';

/** How deep the JSON of a schema may be nested. */
const DEPTH_MAX = 128;

/** A place in a schema whose URI is `base`: what a `$ref` there is relative to. */
export interface Place {
  readonly base: string;
  readonly document: ParsedDocument;
}

/** A document with all that can be referred to in it. */
export class ParsedDocument {
  readonly root: JsonObject | boolean;
  readonly draft: Draft;
  readonly #references: Readonly<Record<string, string>>;
  /** URIs of the document and of schemas inside that have an `$id` -> those schemas. */
  readonly resources = new Map<string, JsonObject | boolean>();
  /** `URI#anchor` -> schema. */
  readonly anchors = new Map<string, JsonObject>();
  /** Names of `$dynamicAnchor`, with all schemas that have them. */
  readonly dynamicAnchors = new Map<string, JsonObject[]>();
  readonly #places = new Map<JsonObject, Place>();

  /**
   * @param implied its draft if it names none
   * @throws Unusable
   */
  constructor({ uri, text, references }: Pick<SchemaDocument, 'uri' | 'text' | 'references'>, implied: Draft) {
    this.root = parse(text);
    this.#references = references;
    const draft = draftOf(isObject(this.root) ? this.root['$schema'] : undefined, implied);
    if (draft === null) {
      throw new Unusable(
        'its $schema is neither draft-07 nor 2020-12 of JSON Schema, which are the ones that are known',
      );
    }
    this.draft = draft;
    this.resources.set(uri, this.root);
    if (isObject(this.root)) this.#index(this.root, uri);
  }

  /** What a name means by what its registry says; undefined: it says nothing of it. */
  reference(name: string): string | undefined {
    return Object.hasOwn(this.#references, name) ? this.#references[name] : undefined;
  }

  place(schema: JsonObject): Place | undefined {
    return this.#places.get(schema);
  }

  /**
   * What a JSON pointer leads to from a schema that has a URI, with its own place.
   * @returns undefined: to nothing that could be a schema
   */
  at(resource: JsonObject | boolean, base: string, pointer: string): JsonObject | boolean | undefined {
    let value: unknown = resource;
    let at = base;
    for (const part of pointer.split('/').slice(1)) {
      const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
      if (isObject(value)) at = this.#places.get(value)?.base ?? at;
      value = (value as JsonObject)[name];
    }
    if (typeof value === 'boolean') return value;
    if (!isObject(value)) return undefined;
    // It may be where no keyword of the standard expects a schema, such as OpenAPI's `components`.
    if (!this.#places.has(value)) this.#index(value, at);
    return value;
  }

  #index(schema: JsonObject, base: string): void {
    if (this.#places.has(schema)) return;
    const place = { base: this.#name(schema, base), document: this };
    this.#places.set(schema, place);
    for (const inner of subschemas(schema, this.draft)) this.#index(inner, place.base);
  }

  /** Notes the names of a schema. @returns what is relative to inside */
  #name(schema: JsonObject, outer: string): string {
    // In draft-07, what is beside a $ref does not count.
    if (this.draft === 'draft-07' && typeof schema['$ref'] === 'string') return outer;
    let base = outer;
    const { $id: id, $anchor: anchor, $dynamicAnchor: dynamic } = schema;
    if (typeof id === 'string') {
      const [uri, fragment = ''] = splitUri(id);
      if (uri !== '') {
        base = resolveUri(uri, outer) ?? outer;
        this.resources.set(base, schema);
      }
      if (fragment !== '' && this.draft === 'draft-07') this.anchors.set(`${base}#${fragment}`, schema);
    }
    if (this.draft === '2020-12') {
      for (const name of [anchor, dynamic]) if (typeof name === 'string') this.anchors.set(`${base}#${name}`, schema);
      if (typeof dynamic === 'string') {
        this.dynamicAnchors.set(dynamic, [...(this.dynamicAnchors.get(dynamic) ?? []), schema]);
      }
    }
    return base;
  }
}

/** The schemas right inside a schema. */
export function* subschemas(schema: JsonObject, draft: Draft): Generator<JsonObject> {
  const keywords = KEYWORDS[draft];
  for (const [name, value] of Object.entries(schema)) {
    if (keywords.schema.has(name) && isObject(value)) yield value;
    else if (keywords.schemas.has(name) && Array.isArray(value)) yield* value.filter(isObject);
    else if ((keywords.named.has(name) || keywords.definitions.has(name)) && isObject(value)) {
      yield* Object.values(value).filter(isObject);
    }
  }
}

/** The parts of a URI before and after `#`, the latter decoded. */
export function splitUri(uri: string): [uri: string, fragment: string | undefined] {
  const at = uri.indexOf('#');
  if (at < 0) return [uri, undefined];
  const fragment = uri.slice(at + 1);
  try {
    return [uri.slice(0, at), decodeURIComponent(fragment)];
  } catch {
    return [uri.slice(0, at), fragment];
  }
}

/** An absolute URI; null: there is none. */
export function resolveUri(uri: string, base: string): string | null {
  if (uri === '') return base;
  const resolved = URL.parse(uri, base);
  // `urn:a:b` as a base knows nothing relative; `URL` writes others as they are compared with.
  if (resolved !== null) return resolved.href;
  return URL.canParse(uri) ? uri : null;
}

function parse(text: string): JsonObject | boolean {
  let value: unknown;
  try {
    value = JSON.parse(text.startsWith('\ufeff') ? text.slice(1) : text);
  } catch {
    throw new Unusable('it is not JSON');
  }
  if (typeof value === 'boolean') return value;
  if (!isObject(value)) throw new Unusable('it is not a JSON object');
  checkNames(value);
  return value;
}

/** Code that is generated from a schema has its names: that of the prototype is no ordinary one there. */
function checkNames(root: JsonObject): void {
  let level: readonly object[] = [root];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEPTH_MAX) throw new Unusable(`it is nested deeper than ${DEPTH_MAX} levels`);
    for (const value of level) {
      if (Object.hasOwn(value, '__proto__')) throw new Unusable(`it has a member ${shown('__proto__')}`);
    }
    level = level.flatMap(
      (value) => Object.values(value).filter((inner) => typeof inner === 'object' && inner !== null) as object[],
    );
  }
}
