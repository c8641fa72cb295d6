import { type Bundle, refOf } from './bundle.ts';
import { KEYWORDS } from './keywords.ts';
import { isObject, type JsonObject } from './unusable.ts';

/** What the evaluation of a schema takes at most. A step is the comparison of a value with a value. */
export interface Weight {
  /** Steps for each byte of the data. */
  readonly perByte: number;
  /** Steps for each pair of bytes: `uniqueItems` compares each item with each other one. */
  readonly perPair: number;
  /** Whether the schema refers to itself. */
  readonly recursive: boolean;
}

/** A format is a regular expression, or a function that does as much. */
const FORMAT_STEPS = 32;
const SCALARS: ReadonlySet<unknown> = new Set(['string', 'number', 'integer', 'boolean', 'null']);
/** Their schemas apply to parts of the data that have nothing in common: the one that takes most counts. */
const APART: ReadonlySet<string> = new Set(['properties', 'prefixItems']);
/** Their value is a schema; a list only as `items` of draft-07. */
const SINGLE: ReadonlySet<string> = new Set([...KEYWORDS['draft-07'].schema, ...KEYWORDS['2020-12'].schema]);
const COMPARED: ReadonlySet<string> = new Set(['enum', 'const', 'required', 'dependentRequired']);

/**
 * Each definition counts as often as it is used: schemas that refer to each other twice and twice again are short, and
 * their evaluation is not.
 *
 * @param patternSteps how many steps a regular expression takes for each byte
 */
export function weigh({ definitions }: Bundle, patternSteps: (pattern: string) => number): Weight {
  const weights = new Map<number, Weight>();
  const under = new Set<number>();

  const definition = (index: number): Weight => {
    const known = weights.get(index);
    if (known !== undefined) return known;
    if (under.has(index)) return { perByte: 0, perPair: 0, recursive: true };
    under.add(index);
    const weight = schema(definitions[index] ?? true);
    under.delete(index);
    weights.set(index, weight);
    return weight;
  };

  const schema = (value: JsonObject | boolean): Weight => {
    if (typeof value === 'boolean') return { perByte: 1, perPair: 0, recursive: false };
    const target = refOf(value);
    const parts = Object.entries(value).map(([name, inner]) => keyword(name, inner, value));
    return sum(target === null ? parts : [definition(target), ...parts]);
  };

  const keyword = (name: string, value: unknown, of: JsonObject): Weight => {
    if (COMPARED.has(name)) return steps(countValues(value));
    if (name === 'pattern') return steps(patternSteps(String(value)));
    if (name === 'format') return steps(FORMAT_STEPS);
    if (name === 'uniqueItems')
      return { perByte: 1, perPair: value === true && !hasScalars(of) ? 1 : 0, recursive: false };
    const nested = (SINGLE.has(name) && !Array.isArray(value) ? [value].filter(isSchema) : schemasIn(value)).map(
      schema,
    );
    const own = steps(1 + nested.length);
    if (APART.has(name)) return sum([own, most(nested)]);
    const names = name === 'patternProperties' && isObject(value) ? Object.keys(value) : [];
    return sum([own, ...nested, ...names.map((pattern) => steps(patternSteps(pattern)))]);
  };

  return definition(0);
}

function steps(perByte: number): Weight {
  return { perByte, perPair: 0, recursive: false };
}

function sum(weights: readonly Weight[]): Weight {
  return combined(weights, (a, b) => a + b);
}

function most(weights: readonly Weight[]): Weight {
  return combined(weights, Math.max);
}

function combined(weights: readonly Weight[], combine: (a: number, b: number) => number): Weight {
  return weights.reduce(
    (a, b) => ({
      perByte: combine(a.perByte, b.perByte),
      perPair: combine(a.perPair, b.perPair),
      recursive: a.recursive || b.recursive,
    }),
    steps(0),
  );
}

/** The schemas in the value of a keyword; a list of names, as in `dependencies`, has none. */
function schemasIn(value: unknown): (JsonObject | boolean)[] {
  return typeof value === 'object' && value !== null ? Object.values(value).filter(isSchema) : [];
}

function isSchema(value: unknown): value is JsonObject | boolean {
  return isObject(value) || typeof value === 'boolean';
}

/** Whether all items are strings, numbers and the like: those are compared by a table. */
function hasScalars({ items }: JsonObject): boolean {
  if (!isObject(items)) return false;
  const { type } = items;
  const types: readonly unknown[] = Array.isArray(type) ? type : [type];
  return types.every((each) => SCALARS.has(each));
}

function countValues(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1;
  return Object.values(value).reduce<number>((count, inner) => count + countValues(inner), 1);
}
