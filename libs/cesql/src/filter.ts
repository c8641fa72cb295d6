import { ATTRIBUTE_NAME, type EventView } from './event-view.ts';
import { CesqlError } from './sql/cesql-error.ts';
import type { ErrorKind } from './sql/value.ts';
import { compileCondition } from './sql/condition.ts';

/** Why an expression has no value: the kinds of the specification of CloudEvents SQL. */
export type FilterErrorKind = ErrorKind;

/** Which events are meant. */
export interface Filter {
  /** The attributes that it looks at, in alphabetical order. */
  readonly attributes: readonly string[];
  /** Never throws. An error of an expression is told to `onError`, and the event does not match. */
  matches(event: EventView): boolean;
}

/** What is wrong in the description of a filter, and where: `['all', 1, 'sql']`. */
export interface FilterProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** The description of a filter is not valid. */
export class FilterSpecError extends Error {
  readonly problems: readonly FilterProblem[];

  constructor(problems: readonly FilterProblem[]) {
    super(
      problems.map(({ path, message }) => (path.length > 0 ? `${path.join('.')}: ${message}` : message)).join('\n'),
    );
    this.problems = problems;
  }
}

type Matches = Filter['matches'];
type Path = readonly (string | number)[];
interface Compilation {
  readonly problems: FilterProblem[];
  readonly attributes: Set<string>;
  readonly onError: (kind: FilterErrorKind) => void;
}

/** How deep `all`, `any` and `not` may be nested. */
const DEPTH_MAX = 32;
const DIALECTS = ['exact', 'prefix', 'suffix', 'all', 'any', 'not', 'sql'] as const;
type Dialect = (typeof DIALECTS)[number];
const never: Matches = () => false;

/** What is wrong with the description of a filter; nothing if it can be compiled. */
export function checkFilter(spec: unknown): readonly FilterProblem[] {
  const compilation: Compilation = { problems: [], attributes: new Set(), onError: () => undefined };
  compile(spec, [], compilation);
  return compilation.problems;
}

/**
 * A filter in a dialect of the CloudEvents Subscriptions API: a mapping with one of `exact`, `prefix`, `suffix`, `all`,
 * `any`, `not`, `sql`. Throws FilterSpecError with everything that is wrong in it.
 */
export function compileFilter(spec: unknown, onError: (kind: FilterErrorKind) => void = () => undefined): Filter {
  const compilation: Compilation = { problems: [], attributes: new Set(), onError };
  const matches = compile(spec, [], compilation);
  if (compilation.problems.length > 0) throw new FilterSpecError(compilation.problems);
  return { attributes: [...compilation.attributes].sort(), matches };
}

function compile(spec: unknown, path: Path, compilation: Compilation): Matches {
  if (path.filter((step) => typeof step === 'string').length > DEPTH_MAX) {
    return refuse(`at most ${DEPTH_MAX} filters inside each other`, path, compilation);
  }
  const [key, ...others] = isMapping(spec) ? Object.keys(spec) : [];
  if (!isMapping(spec) || key === undefined || others.length > 0) {
    const remedy =
      others.length > 0 ? `; for several, write all: [{ ${key ?? ''}: … }, { ${others[0] ?? ''}: … }]` : '';
    return refuse(`a mapping with one of ${DIALECTS.join(', ')}${remedy}`, path, compilation);
  }
  if (!isDialect(key)) return refuse(`not a dialect: one of ${DIALECTS.join(', ')}`, [...path, key], compilation);
  return compileDialect(key, spec[key], [...path, key], compilation);
}

function compileDialect(dialect: Dialect, given: unknown, path: Path, compilation: Compilation): Matches {
  switch (dialect) {
    case 'exact':
      return compileTexts(given, path, compilation, (value, wanted) => value === wanted);
    case 'prefix':
      return compileTexts(given, path, compilation, (value, wanted) => value.startsWith(wanted));
    case 'suffix':
      return compileTexts(given, path, compilation, (value, wanted) => value.endsWith(wanted));
    case 'all': {
      const filters = compileList(given, path, compilation);
      return (event) => filters.every((matches) => matches(event));
    }
    case 'any': {
      const filters = compileList(given, path, compilation);
      return (event) => filters.some((matches) => matches(event));
    }
    case 'not': {
      const matches = compile(given, path, compilation);
      return (event) => !matches(event);
    }
    case 'sql':
      return compileSql(given, path, compilation);
  }
}

/** `exact`, `prefix` and `suffix`: attribute to text. All of them have to fit; an attribute that is missing does not. */
function compileTexts(
  given: unknown,
  path: Path,
  compilation: Compilation,
  fits: (value: string, wanted: string) => boolean,
): Matches {
  const entries = isMapping(given) ? Object.entries(given) : [];
  if (entries.length === 0) return refuse('a mapping from attributes to text', path, compilation);
  const tests: Matches[] = [];
  for (const [name, wanted] of entries) {
    const at = [...path, name];
    if (!ATTRIBUTE_NAME.test(name)) {
      refuse('not the name of a context attribute: lower-case letters and digits, and not "data"', at, compilation);
    } else if (typeof wanted !== 'string' || wanted === '') {
      refuse(`text that is not empty${remedyOf(wanted)}`, at, compilation);
    } else {
      compilation.attributes.add(name);
      tests.push((event) => {
        const value = event.get(name);
        return value !== undefined && fits(typeof value === 'string' ? value : String(value), wanted);
      });
    }
  }
  const [only] = tests;
  return tests.length === 1 && only !== undefined ? only : (event) => tests.every((test) => test(event));
}

function compileList(given: unknown, path: Path, compilation: Compilation): readonly Matches[] {
  if (!Array.isArray(given) || given.length === 0) {
    refuse('a list of filters, at least one', path, compilation);
    return [];
  }
  return given.map((spec, index) => compile(spec, [...path, index], compilation));
}

function compileSql(given: unknown, path: Path, compilation: Compilation): Matches {
  if (typeof given !== 'string') return refuse('an expression of CloudEvents SQL, as text', path, compilation);
  try {
    const condition = compileCondition(given, compilation.onError);
    for (const name of condition.attributes) compilation.attributes.add(name);
    return condition.matches;
  } catch (error) {
    if (!(error instanceof CesqlError)) throw error;
    return refuse(error.message, path, compilation);
  }
}

function refuse(message: string, path: Path, { problems }: Compilation): Matches {
  problems.push({ path, message });
  return never;
}

function remedyOf(given: unknown): string {
  return typeof given === 'number' || typeof given === 'boolean' ? `: write '${given}'` : '';
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isDialect(key: string): key is Dialect {
  return (DIALECTS as readonly string[]).includes(key);
}
