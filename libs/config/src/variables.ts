import type { Environment } from './environment.ts';

/** A value of the configuration file after its variables are replaced. */
export interface Replaced {
  readonly value: unknown;
  /** The first variable that is not set; `value` is then of no use. */
  readonly unset?: string;
}

/**
 * Replaces `${NAME}` in texts, also those in lists and mappings, by the variable of the environment. `$${` is a literal
 * `${`; every other `$` stays.
 */
export function replaceVariables(given: unknown, env: Environment): Replaced {
  const unset: string[] = [];
  const replace = (value: unknown): unknown => {
    if (typeof value === 'string') {
      return value.replace(/\$(?:(\$\{)|\{([A-Za-z_][A-Za-z0-9_]*)\})/g, (_, literal?: string, name = '') => {
        if (literal !== undefined) return '${';
        const found = env[String(name)];
        if (found === undefined) unset.push(String(name));
        return found ?? '';
      });
    }
    if (Array.isArray(value)) return value.map((item) => replace(item));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, replace(inner)]));
  };
  const value = replace(given);
  const [first] = unset;
  return { value, ...(first === undefined ? {} : { unset: first }) };
}
