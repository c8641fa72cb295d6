import { settings, type SettingPath } from './settings.ts';

/** One mistake in the configuration. */
export interface ConfigProblem {
  /** The key in its documented spelling (`redis.url`), or the file's path when the file itself is at fault. */
  readonly key: string;
  /** What was given, and where from; secrets are never in here. */
  readonly given: string;
  /** What is allowed instead: the remedy. */
  readonly allowed: string;
}

/** The configuration can't be used. Lists every mistake, not just the first; retrying is pointless. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly code = 'config_invalid';
  readonly retryable = false;
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const count = problems.length === 1 ? 'one mistake' : `${problems.length} mistakes`;
    const lines = problems.map(({ key, given, allowed }) => `  ${key}: given ${given}; allowed: ${allowed}`);
    super([`reading the configuration: ${count}`, ...lines].join('\n'));
    this.problems = problems;
  }
}

/** A value and where it was given. */
export interface Given {
  readonly value: unknown;
  /** For people: a file's path, or `environment SINK_PORT`. */
  readonly origin: string;
}

/** What was given, by key. */
export type GivenSettings = ReadonlyMap<SettingPath, Given>;

const SHOWN_CHARACTERS_MAX = 100;

/** A given value for an error message: short, and never a secret. */
export function describeGiven(path: SettingPath, given: Given | undefined): string {
  if (given === undefined) return 'nothing';
  if (settings[path].secret) return `a value that is not shown (${given.origin})`;
  const text = JSON.stringify(given.value).replace(/\/\/[^\s]*@/g, '//…@');
  const shown = text.length > SHOWN_CHARACTERS_MAX ? `${text.slice(0, SHOWN_CHARACTERS_MAX)}…` : text;
  return `${shown} (${given.origin})`;
}

/** Gathers mistakes; one for each key, and none about keys whose own value is already wrong. */
export class Problems {
  readonly #list: ConfigProblem[] = [];
  readonly #keys = new Set<string>();
  readonly #given: GivenSettings;

  constructor(given: GivenSettings) {
    this.#given = given;
  }

  /**
   * The value of `path` is not allowed. `related` are the other keys that made it so; when one of them is wrong
   * itself, nothing is said here.
   */
  add(path: SettingPath, allowed: string, related: readonly SettingPath[] = []): void {
    if ([path, ...related].some((key) => this.#keys.has(key) || this.#keys.has(`${key}_file`))) return;
    this.addOther({ key: path, given: describeGiven(path, this.#given.get(path)), allowed });
  }

  /** A mistake that is not the value of a known key. */
  addOther(problem: ConfigProblem): void {
    this.#keys.add(problem.key);
    this.#list.push(problem);
  }

  all(): readonly ConfigProblem[] {
    return this.#list;
  }
}
