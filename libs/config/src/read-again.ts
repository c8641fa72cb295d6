import type { ReadText } from './config-file.ts';
import { type Layer, mergeLayers } from './layer.ts';
import { ConfigError, Problems } from './problems.ts';
import { readGiven } from './read-given.ts';
import type { ReadNamedFile } from './resolve-redis.ts';
import { secretsIn } from './secrets-in.ts';
import type { Settings } from './settings.ts';

/** Values that are kept for the redaction of logs; older ones are no longer in use. */
const SECRETS_MAX = 100;
/** The same for those of a configuration that is read again: it can have as many tokens. */
const RELOADED_SECRETS_MAX = 10_000;

/** Reads the files of secrets and certificates again, because they are replaced while the sink runs. */
export class ReadAgain {
  /** The values that these files had: no log line may contain them. */
  readonly secrets = new Set<string>();
  readonly #ofFiles = new Set<string>();
  readonly #reloaded = new Set<string>();
  readonly #layers: readonly Layer[];
  readonly #readText: ReadText;

  constructor(layers: readonly Layer[], readText: ReadText) {
    this.#layers = layers;
    this.#readText = readText;
  }

  /**
   * What `resolve` makes of the keys of one section, with what their files contain now.
   * @param secretsOf the secrets of the result that are no values of keys
   * @throws ConfigError while a file is missing or wrong
   */
  section<T>(
    name: 'aws' | 'redis',
    resolve: (settings: Settings, readNamedFile: ReadNamedFile, problems: Problems) => T,
    secretsOf: (found: T) => readonly (string | undefined)[],
  ): T {
    const given = new Map([...mergeLayers(this.#layers)].filter(([path]) => path.startsWith(`${name}.`)));
    const problems = new Problems(given);
    const { read, readNamedFile } = readGiven(given, problems, this.#readText);
    const found = resolve(read, readNamedFile, problems);
    for (const secret of secretsIn(given, secretsOf(found))) this.#keep(secret);
    if (problems.all().length > 0) throw new ConfigError(problems.all());
    return found;
  }

  /** No log line may contain this secret of a configuration that was read again. */
  keepReloaded(secret: string): void {
    this.#keepIn(this.#reloaded, secret, RELOADED_SECRETS_MAX);
  }

  #keep(secret: string): void {
    this.#keepIn(this.#ofFiles, secret, SECRETS_MAX);
  }

  #keepIn(kept: Set<string>, secret: string, max: number): void {
    kept.delete(secret);
    kept.add(secret);
    this.secrets.delete(secret);
    this.secrets.add(secret);
    const [oldest] = kept;
    if (kept.size <= max || oldest === undefined) return;
    kept.delete(oldest);
    this.secrets.delete(oldest);
  }
}
