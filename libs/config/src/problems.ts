import { isSettingPath, settings, type SettingPath } from './settings.ts';

/** One mistake in the configuration. */
export interface ConfigProblem {
  /** The key in its documented spelling (`redis.url`), or the path of a file that cannot be used. */
  readonly key: string;
  /** What was given, and its source. Contains no secrets. */
  readonly given: string;
  /** The allowed values: the remedy. */
  readonly allowed: string;
}

/** A mistake in one line. */
export function describeProblem({ key, given, allowed }: ConfigProblem): string {
  return `${key}: given ${given}; allowed: ${allowed}`;
}

/** The configuration is invalid. Lists every mistake, not only the first. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly code = 'config_invalid';
  readonly retryable = false;
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const count = problems.length === 1 ? 'one mistake' : `${problems.length} mistakes`;
    const lines = problems.map((problem) => `  ${describeProblem(problem)}`);
    super([`reading the configuration: ${count}`, ...lines].join('\n'));
    this.problems = problems;
  }
}

/** A value and its source. */
export interface Given {
  readonly value: unknown;
  /** For error messages: a file's path, or `environment SINK_PORT`. */
  readonly origin: string;
  /** The value as it is written, before variables were replaced in it; absent if it comes from a file of its own. */
  readonly written?: unknown;
}

/** The given values, by key. */
export type GivenSettings = ReadonlyMap<SettingPath, Given>;

const SHOWN_CHARACTERS_MAX = 100;

/** Everything before an `@`, with or without a scheme before it, may be credentials: `key:secret@host`. */
const CREDENTIALS = /"((?:[a-z][a-z0-9+.-]*:)?\/\/)?[^"]*@/gi;
/** The query of an address may contain a token. */
const QUERY = /\?[^"]*/g;

/** A given value for an error message: short, and without secrets. */
function describeGiven(path: SettingPath, given: Given | undefined): string {
  if (given === undefined) return 'nothing';
  if (mayBeSecret(path)) return `a value that is not shown (${given.origin})`;
  return `${describeValue(given.written ?? given.value)} (${given.origin})`;
}

/** A value that is no secret, short, and without credentials in addresses. */
export function describeValue(value: unknown): string {
  const text = JSON.stringify(value).replace(CREDENTIALS, '"$1…@').replace(QUERY, '?…');
  return text.length > SHOWN_CHARACTERS_MAX ? `${text.slice(0, SHOWN_CHARACTERS_MAX)}…` : text;
}

/** A secret, or the path of its file: a user may have given the secret itself there. */
function mayBeSecret(path: SettingPath): boolean {
  const value = path.replace(/_file$/, '');
  const isKey = path === 'redis.tls_key_file' || path === 'tls.key_file';
  return settings[path].secret || isKey || (isSettingPath(value) && settings[value].secret);
}

/** Collects mistakes: one per key, and none that follow from the mistake of another key. */
export class Problems {
  readonly #list: ConfigProblem[] = [];
  readonly #keys = new Set<string>();
  readonly #given: GivenSettings;

  constructor(given: GivenSettings) {
    this.#given = given;
  }

  /**
   * Adds that the value of `path` is not allowed. `related` are the other keys that make it so; if one of them has a
   * mistake already, nothing is added.
   */
  add(path: SettingPath, allowed: string, related: readonly SettingPath[] = []): void {
    if ([path, ...related].some((key) => this.#keys.has(key) || this.#keys.has(`${key}_file`))) return;
    this.addOther({ key: path, given: describeGiven(path, this.#given.get(path)), allowed });
  }

  /** Adds that the value at a place inside the value of `path` is not allowed: `[2].bucket` of `routes`. */
  addInside(path: SettingPath, inside: string, value: unknown, allowed: string): void {
    const { origin } = this.#given.get(path) ?? { origin: 'default' };
    this.addOther({ key: `${path}${inside}`, given: `${describeValue(value)} (${origin})`, allowed });
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  /** Adds a mistake that is not about the value of a known key. */
  addOther(problem: ConfigProblem): void {
    this.#keys.add(problem.key);
    this.#list.push(problem);
  }

  all(): readonly ConfigProblem[] {
    return this.#list;
  }
}
