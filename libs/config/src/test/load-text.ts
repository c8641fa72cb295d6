import { loadConfig } from '../load.ts';
import { ConfigError } from '../problems.ts';
import type { SinkConfig } from '../sink-config.ts';

/** The path of the file that these tests load. */
export const AT = '/c.yml';

/** The configuration of a file with this text. */
export function loadText(text: string, env: Readonly<Record<string, string>> = {}): SinkConfig {
  return loadConfig({ file: AT, env, readText: (path) => (path === AT ? { text } : 'missing') });
}

/** What is said of a file with this text: a line for each mistake. */
export function mistakesIn(text: string): string[] {
  try {
    loadText(text);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.split('\n').slice(1);
  }
}
