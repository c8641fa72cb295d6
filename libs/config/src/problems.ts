import type { ConfigProblem } from './config-error.ts';
import { describeGiven, type GivenSettings } from './given.ts';
import type { SettingPath } from './settings.ts';

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
