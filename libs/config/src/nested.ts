import { z } from 'zod';
import { alsoText, field, type Field, listFromText, mapFromText } from './field.ts';
import { normalizeKey } from './spelling.ts';

/** The keys of a mapping, each with its rules. */
export type Shape = Readonly<Record<string, Field>>;

/** What is inside a key whose value is a mapping, or a list of mappings. */
export interface Nested {
  readonly kind: 'mapping' | 'list';
  readonly shape: Shape;
}

/** Adds mistakes that concern several keys; the message of each says what is allowed. */
export type Rule<Value> = (value: Value, context: z.RefinementCtx) => void;

type SchemasOf<S extends Shape> = { [Key in keyof S]: S[Key]['schema'] };
type ValuesOf<S extends Shape> = z.output<z.ZodObject<SchemasOf<S>>>;

/** A plain object, as parsed from YAML or JSON. */
export function isTree(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The key of the shape that a key means, in any spelling. */
export function keyOf(shape: Shape, given: string): string | undefined {
  return Object.keys(shape).find((key) => normalizeKey(key) === normalizeKey(given));
}

/** The same mapping in documented spelling. Keys that are unknown, or given twice, stay as they are. */
export function inDocumentedSpelling(shape: Shape, given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const [spelling, value] of Object.entries(given)) {
    // A key without a value counts as not given.
    if (value === null || value === undefined) continue;
    const key = keyOf(shape, spelling);
    found[key === undefined || Object.hasOwn(found, key) ? spelling : key] = value;
  }
  return found;
}

function objectSchema<S extends Shape>(shape: S) {
  // The cast states what the expression does.
  const schemas = Object.fromEntries(Object.entries(shape).map(([key, { schema }]) => [key, schema])) as SchemasOf<S>;
  return z.preprocess((given) => (isTree(given) ? inDocumentedSpelling(shape, given) : given), z.strictObject(schemas));
}

/** In the environment a list of mappings is JSON. */
export function fromJson(given: unknown): unknown {
  if (typeof given !== 'string') return given;
  try {
    return JSON.parse(given) as unknown;
  } catch {
    return given;
  }
}

function nested(kind: Nested['kind'], shape: Shape): { readonly secret: boolean; readonly nested: Nested } {
  // What is no mapping may be the secret that should be in one.
  return { secret: Object.values(shape).some(({ secret }) => secret), nested: { kind, shape } };
}

/** A mapping with keys of its own; may be absent. */
export function mapping<const S extends Shape>(
  shape: S,
  description: string,
  rule: Rule<ValuesOf<S>> = () => undefined,
) {
  const allowed = `a mapping with ${Object.keys(shape).join(', ')}`;
  const schema = objectSchema(shape).superRefine(rule).optional();
  return { ...field(schema, allowed, description), ...nested('mapping', shape) };
}

/** A list of mappings; may be absent. `each` judges one of them, `all` the list. */
export function mappings<const S extends Shape>(
  shape: S,
  description: string,
  limits: {
    readonly itemsMax: number;
    /** A text in the list stands for a mapping with only this key. */
    readonly textIs?: keyof S & string;
    readonly each?: Rule<ValuesOf<S>>;
    readonly all?: Rule<ValuesOf<S>[]>;
  },
) {
  const { itemsMax, textIs, each = () => undefined, all = () => undefined } = limits;
  const text = textIs === undefined ? '' : `, or text for its ${textIs}`;
  const allowed = `a list of at most ${itemsMax} mappings with ${Object.keys(shape).join(', ')}${text}`;
  const read = (given: unknown): unknown => {
    const items = fromJson(given);
    if (textIs === undefined || !Array.isArray(items)) return items;
    return items.map((item: unknown) => (typeof item === 'string' ? { [textIs]: item } : item));
  };
  const item = objectSchema(shape).superRefine(each);
  const textField = textIs === undefined ? undefined : shape[textIs];
  if (textField !== undefined) alsoText.set(item, textField.schema);
  const schema = z.preprocess(read, z.array(item).max(itemsMax).superRefine(all)).optional();
  return { ...field(schema, allowed, description), ...nested('list', shape) };
}

/** Text that must be there. */
export function requiredText(pattern: RegExp, allowed: string, description: string) {
  return field(z.string().regex(pattern), allowed, description);
}

/** A field beside a secret: by mistake its value may be that secret, so a wrong one is not printed. */
export function besideSecret<F extends Field>(inner: F): F & { readonly besideSecret: true } {
  return { ...inner, besideSecret: true };
}

function listOfOne(given: unknown): unknown {
  return typeof given === 'string' ? [given] : given;
}

/** Inside a mapping: a list of texts, or one of them; may be absent. Commas are part of them. */
export function texts(pattern: RegExp, itemsMax: number, allowed: string, description: string) {
  const item = z.string().regex(pattern);
  const list = z.array(item).min(1).max(itemsMax);
  alsoText.set(list, item);
  const schema = z.preprocess(listOfOne, list).optional();
  return field(schema, `a list of at most ${itemsMax}: ${allowed}`, description);
}

/** The same, never printed. */
export function secretTexts(pattern: RegExp, itemsMax: number, allowed: string, description: string) {
  return { ...texts(pattern, itemsMax, allowed, description), secret: true };
}

/** A key of its own: a list of texts, or one text with commas; may be absent. */
export function commaTexts(pattern: RegExp, itemsMax: number, allowed: string, description: string) {
  const list = z.array(z.string().regex(pattern)).min(1).max(itemsMax);
  alsoText.set(list, z.string());
  const schema = z.preprocess(listFromText, list).optional();
  return field(schema, `a list of at most ${itemsMax}, or text with commas: ${allowed}`, description);
}

/** A list of words as they are written; may be absent. */
export function words<const Word extends string>(known: readonly Word[], description: string) {
  const list = z.array(z.enum(known)).min(1);
  alsoText.set(list, z.enum(known));
  const schema = z.preprocess(listOfOne, list).optional();
  return field(schema, `a list of ${known.join(', ')}`, description);
}

/** Names that the user chooses, each with one name; may be absent. In the environment: `from=to,from=to`. */
export function nameByName(pattern: RegExp, namesMax: number, allowed: string, description: string) {
  const schema = z
    .record(z.string().regex(pattern), z.string())
    .refine((given) => Object.keys(given).length <= namesMax, { error: allowed });
  return field(z.preprocess(mapFromText, schema).optional(), allowed, description);
}

const scalar = z.union([z.string(), z.number(), z.boolean()]);

/** Names that the user chooses, as they are written, with a value or a list of values each; may be absent. */
export function valuesByName(namesMax: number, description: string) {
  const allowed = `a mapping of at most ${namesMax} names to text, a number, true or false, or a list of these`;
  const entry = z.union([scalar, z.array(scalar).min(1).max(100)]);
  const schema = z
    .record(z.string().min(1), entry)
    .refine((given) => Object.keys(given).length <= namesMax, { error: allowed })
    .optional();
  return field(schema, allowed, description);
}
