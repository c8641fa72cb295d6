import { isDeepStrictEqual } from 'node:util';
import { isLive, livePaths } from './changes.ts';
import { configFileText } from './config-file.ts';
import {
  type ConfigSources,
  deepFreeze,
  type FileSettings,
  type LoadedConfig,
  loadSources,
  readTextFile,
} from './load.ts';
import { withoutSecrets } from './nested-values.ts';
import { ConfigError, type ConfigProblem, type Given, type GivenSettings } from './problems.ts';
import { memberName, settings, settingPaths, type SettingPath } from './settings.ts';
import type { SinkConfig } from './sink-config.ts';

/** What is in force, and what of the file is not. A process hands it to the processes that it starts. */
export interface HandedConfig {
  /** The values of the file that are in force. */
  readonly file: FileSettings;
  /** Keys that have another value in the file, which needs a restart. */
  readonly pendingRestart: readonly SettingPath[];
  /** The mistakes of the file if it is refused. */
  readonly rejected: readonly ConfigProblem[];
}

/** A key with its values as they are written. */
export interface ChangedKey {
  readonly key: SettingPath;
  readonly before: string;
  readonly after: string;
}

/** What became of a file that was read again. */
export type Reloaded =
  | {
      readonly kind: 'applied';
      readonly changed: readonly ChangedKey[];
      readonly pendingRestart: readonly SettingPath[];
    }
  | { readonly kind: 'rejected'; readonly problems: readonly ConfigProblem[] };

/**
 * The configuration that is in force in this process. Its live keys change when the file is read again; all others
 * keep the values of the start (docs/adr/0022-configuration-without-a-restart.md).
 *
 * There are no events for single keys. `settings` makes an object that a component keeps and reads at each use.
 */
export class ConfigInForce {
  readonly #sources: ConfigSources;
  readonly #renewals: ((config: SinkConfig) => void)[] = [];
  readonly #kept = new Set<SettingPath>();
  #loaded: LoadedConfig;
  #fileText: string;
  #pendingRestart: readonly SettingPath[] = [];
  #rejected: readonly ConfigProblem[] = [];
  #counts = { applied: 0, rejected: 0 };

  /**
   * @param handed what the process that started this one has in force: then this one reads no file
   * @throws ConfigError with all mistakes
   */
  constructor(sources: ConfigSources, handed: HandedConfig | null = null) {
    this.#sources = sources;
    // Before the file is read, so that no change is overlooked.
    this.#fileText = this.#textNow();
    this.#loaded = loadSources(handed === null ? sources : { ...sources, settings: handed.file });
    if (handed !== null) this.#show(handed);
  }

  get config(): SinkConfig {
    return this.#loaded.config;
  }

  /** Keys that have another value in the file, which needs a restart. */
  get pendingRestart(): readonly SettingPath[] {
    return this.#pendingRestart;
  }

  /** The mistakes of the file if it is refused; empty: it is not. */
  get rejected(): readonly ConfigProblem[] {
    return this.#rejected;
  }

  /** How often the file was read again. */
  get counts(): Readonly<Record<Reloaded['kind'], number>> {
    return this.#counts;
  }

  /** Settings that follow from the configuration. The object stays the same while its values change: read them at use. */
  settings<Made extends object>(make: (config: SinkConfig) => Made): Readonly<Made> {
    const made = make(this.config);
    this.onChange((config) => void Object.assign(made, make(config)));
    return made;
  }

  /** Calls back after each change, and after each refusal of a file. For what cannot read a setting at use. */
  onChange(renew: (config: SinkConfig) => void): void {
    this.#renewals.push(renew);
  }

  /** Keys whose changes need a restart in this process, although they are live in others. */
  keepUntilRestart(paths: readonly SettingPath[]): void {
    for (const path of paths) this.#kept.add(path);
  }

  /** What the file contains, if that is not what was read last; null: it has not changed. */
  changedText(): string | null {
    const text = this.#textNow();
    return text === this.#fileText ? null : text;
  }

  /**
   * Reads the file again. It is refused as a whole if it has a mistake: by itself, or together with the values in force
   * of keys that need a restart.
   */
  reload(): Reloaded {
    this.#fileText = this.#textNow();
    const reloaded = this.#tryReload();
    this.#counts[reloaded.kind] += 1;
    this.#rejected = reloaded.kind === 'rejected' ? reloaded.problems : [];
    this.#renew();
    return reloaded;
  }

  /**
   * Takes what the process that started this one has in force now.
   * @throws ConfigError if the environment of this process does not allow it; nothing changes then
   */
  take(handed: HandedConfig): void {
    this.#use(loadSources({ ...this.#sources, settings: handed.file }));
    this.#show(handed);
    this.#counts[handed.rejected.length > 0 ? 'rejected' : 'applied'] += 1;
    this.#renew();
  }

  /** For a process that this one starts. */
  handed(): HandedConfig {
    return { file: this.#loaded.file, pendingRestart: this.#pendingRestart, rejected: this.#rejected };
  }

  #tryReload(): Reloaded {
    const now = this.#loaded;
    try {
      const next = loadSources(this.#sources);
      requireFile(now.file, next.file);
      const differing = settingPaths.filter((path) => !isDeepStrictEqual(valueOf(now, path), valueOf(next, path)));
      const changed = differing.filter((path) => isLive(path) && !this.#kept.has(path));
      const pendingRestart = differing.filter((path) => !changed.includes(path));
      this.#use(this.#withChanged(next, changed, pendingRestart));
      this.#pendingRestart = pendingRestart;
      const shown = changed.map((key) => ({
        key,
        before: written(key, now.given.get(key)),
        after: written(key, next.given.get(key)),
      }));
      return { kind: 'applied', changed: shown, pendingRestart };
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return { kind: 'rejected', problems: error.problems };
    }
  }

  /** The values in force with those of some keys replaced. */
  #withChanged(
    next: LoadedConfig,
    changed: readonly SettingPath[],
    pendingRestart: readonly SettingPath[],
  ): LoadedConfig {
    const kept = Object.entries(this.#loaded.file.values).filter(([path]) => !changed.some((other) => other === path));
    const replaced = Object.entries(next.file.values).filter(([path]) => changed.some((other) => other === path));
    const values = Object.fromEntries([...kept, ...replaced]);
    try {
      return loadSources({ ...this.#sources, settings: { path: next.file.path, values } });
    } catch (error) {
      if (!(error instanceof ConfigError) || pendingRestart.length === 0) throw error;
      const inForce = `together with the values in force of ${pendingRestart.join(', ')}: restart the sink instead`;
      throw new ConfigError(
        error.problems.map((problem) => ({ ...problem, allowed: `${problem.allowed}, ${inForce}` })),
      );
    }
  }

  /** Everything but the live keys stays as it is: components hold parts of it. */
  #use(next: LoadedConfig): void {
    const live: ReadonlySet<string> = new Set(livePaths.map(memberName));
    // The cast states what the expression does.
    const unchanged = (name: string, value: unknown): boolean =>
      isDeepStrictEqual(value, Reflect.get(this.config, name));
    const config = Object.fromEntries([
      ...Object.entries(this.config).filter(
        ([name]) => !live.has(name) || unchanged(name, Reflect.get(next.config, name)),
      ),
      ...Object.entries(next.config).filter(([name, then]) => live.has(name) && !unchanged(name, then)),
    ]) as unknown as SinkConfig;
    // The log, which was opened with the secrets of the start, learns the new ones.
    for (const secret of next.config.secrets) this.#loaded.again.keepReloaded(secret);
    this.#loaded = { ...next, again: this.#loaded.again, config: deepFreeze(config) };
  }

  #show({ pendingRestart, rejected }: HandedConfig): void {
    this.#pendingRestart = pendingRestart;
    this.#rejected = rejected;
  }

  #renew(): void {
    for (const renew of this.#renewals) renew(this.config);
  }

  #textNow(): string {
    const { file, env, readText = readTextFile } = this.#sources;
    return configFileText(file, env, readText);
  }
}

/** A file that is gone is no wish for all defaults. */
function requireFile(now: FileSettings, next: FileSettings): void {
  if (now.path === null || next.path !== null) return;
  const allowed = 'the path of a readable YAML or JSON file';
  throw new ConfigError([{ key: now.path, given: 'a file that does not exist any more', allowed }]);
}

/** The value of a key, however it is written. Of a file with a secret, the path: its content is read when it is needed. */
function valueOf({ given }: { readonly given: GivenSettings }, path: SettingPath): unknown {
  return settings[path].schema.parse(given.get(path)?.value);
}

function written(path: SettingPath, given: Given | undefined): string {
  if (given === undefined) return 'its default';
  const text = withoutSecrets(settings[path], given.written ?? given.value);
  return typeof text === 'string' ? text : JSON.stringify(text);
}
