import type { Field } from './field.ts';
import { fromJson, inDocumentedSpelling, isTree, keyOf, type Nested, type Shape } from './nested.ts';
import { type ConfigProblem, describeValue, type Given } from './problems.ts';
import { nearestKey } from './spelling.ts';

const NOT_SHOWN = '(not shown)';

interface Inner {
  readonly nested?: Nested | undefined;
  readonly secret: boolean;
}

/** Where a mistake is inside the value of a key. */
interface Place {
  readonly key: string;
  readonly field: Field;
  /** Also true where a user may have given the secret by mistake: the path of its file, and what is beside it. */
  readonly secret: boolean;
  readonly written: unknown;
}

/** The mistakes inside a value, one for each place: `producers[2].bearer.tokens_file`. */
export function problemsInside(path: string, field: Field, given: Given | undefined): readonly ConfigProblem[] {
  if (given === undefined) return [];
  const { success, error } = field.schema.safeParse(given.value);
  if (success) return [];
  const found = new Map<string, ConfigProblem>();
  const add = (problem: ConfigProblem): void => {
    if (!found.has(problem.key)) found.set(problem.key, problem);
  };
  const top: Place = { key: path, field, secret: field.secret, written: fromJson(given.written ?? given.value) };
  const places = error.issues.map((issue) => ({ issue, place: issue.path.reduce(descend, top) }));
  const misspelt = new Set(
    places.flatMap(({ issue, place }) => (issue.code === 'unrecognized_keys' ? [place.key] : [])),
  );
  for (const { issue, place } of places) {
    const { shape } = place.field.nested ?? {};
    if (issue.code === 'unrecognized_keys' && shape !== undefined) {
      for (const key of issue.keys) add(unknownKey(`${place.key}.${key}`, key, shape, given.origin));
      // What is missing because its key is misspelt is no mistake of its own.
    } else if (issue.code !== 'custom' || !misspelt.has(place.key)) {
      const allowed = issue.code === 'custom' ? issue.message : place.field.allowed;
      add({ key: place.key, given: `${shownAt(place)} (${given.origin})`, allowed });
    }
  }
  return [...found.values()];
}

function descend({ key, field, secret, written }: Place, step: PropertyKey): Place {
  const inside: unknown = isTree(written) || Array.isArray(written) ? Reflect.get(written, step) : undefined;
  if (typeof step === 'number') return { key: `${key}[${step}]`, field, secret, written: inside };
  const name = String(step);
  const shape = field.nested?.shape;
  const inner = shape?.[name];
  if (shape === undefined || inner === undefined) return { key: `${key}.${name}`, field, secret, written: inside };
  const value = isTree(written) ? inDocumentedSpelling(shape, written)[name] : undefined;
  const ofFile = shape[name.replace(/_file$/, '')] ?? shape[name.replace(/_file$/, 's')];
  const isSecret = inner.secret || inner.besideSecret === true || ofFile?.secret === true;
  return { key: `${key}.${name}`, field: inner, secret: isSecret, written: value };
}

function shownAt({ field, secret, written }: Place): string {
  if (written === undefined) return 'nothing';
  if (field.nested !== undefined && isTree(written))
    return `a mapping with ${Object.keys(written).join(', ') || 'no key'}`;
  return secret ? 'a value that is not shown' : describeValue(written);
}

function unknownKey(key: string, name: string, shape: Shape, origin: string): ConfigProblem {
  const known = Object.keys(shape);
  const meant = keyOf(shape, name);
  if (meant !== undefined)
    return { key, given: `twice, as ${meant} and as ${name} (${origin})`, allowed: 'one of the two' };
  const nearest = nearestKey(name, known);
  const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
  return { key, given: `a key that does not exist (${origin})`, allowed: `${known.join(', ')}${hint}` };
}

/** The secrets inside a valid value. */
export function secretsInside({ nested, schema, secret }: Field, value: unknown): string[] {
  const parsed = schema.safeParse(value);
  if (!parsed.success) return [];
  return collect({ nested, secret }, parsed.data);
}

function collect({ nested, secret }: Inner, value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap((item: unknown) => collect({ nested, secret }, item));
  if (nested === undefined) return secret && typeof value === 'string' ? [value] : [];
  if (!isTree(value)) return [];
  return Object.entries(nested.shape).flatMap(([key, inner]) => collect(inner, value[key]));
}

/** A value as it is written, without the secrets inside. */
export function withoutSecrets({ nested, secret }: Inner, written: unknown): unknown {
  if (nested === undefined) return secret ? NOT_SHOWN : written;
  const value = fromJson(written);
  if (Array.isArray(value)) return value.map((item: unknown) => withoutSecrets({ nested, secret }, item));
  if (!isTree(value)) return secret ? NOT_SHOWN : value;
  const { shape } = nested;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      const field = shape[keyOf(shape, key) ?? ''];
      return [key, field === undefined ? NOT_SHOWN : withoutSecrets(field, inner)];
    }),
  );
}
