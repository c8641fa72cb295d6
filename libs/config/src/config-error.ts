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
