import type { SecretSource } from '@sink/config';
import { type Clock, type FileContent, WatchedFiles } from '@sink/runtime';

export interface SecretLinesPorts {
  readonly clock: Pick<Clock, 'sleep'>;
  /** Called when what is wrong with a source has changed. */
  readonly troubleChanged: () => void;
}

/**
 * Secrets of the configuration, or of a file with one a line, which is read again when it changes. A file that cannot be read
 * any more keeps what it had; an empty one lets nobody in.
 */
export class SecretLines {
  readonly #source: SecretSource;
  readonly #changed: (lines: readonly string[]) => void;
  readonly #ended = new AbortController();
  #lines: readonly string[];
  #trouble: string | null = null;

  /** @param changed gets the secrets at once, and whenever they have changed */
  constructor(
    source: SecretSource,
    ports: SecretLinesPorts,
    changed: (lines: readonly string[]) => void = () => undefined,
  ) {
    this.#source = source;
    this.#changed = changed;
    this.#lines = 'values' in source ? source.values : [];
    if ('file' in source) {
      const files = new WatchedFiles([source.file], ports.clock);
      this.#take(files.contents);
      void files.watchUntil(this.#ended.signal, (contents) => {
        this.#take(contents);
        ports.troubleChanged();
      });
    }
    changed(this.#lines);
  }

  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Null: all is well. */
  get trouble(): string | null {
    return this.#trouble;
  }

  close(): void {
    this.#ended.abort();
  }

  #take([content]: readonly FileContent[]): void {
    if (content === undefined || 'values' in this.#source) return;
    const { file } = this.#source;
    if ('problem' in content) {
      const then = this.#lines.length === 0 ? 'it lets nobody in' : 'what it contained before stays in force';
      this.#trouble = `${file}: ${content.problem}; ${then}`;
      return;
    }
    this.#lines = content.text.split(/[\r\n]+/).filter((line) => line.trim() !== '');
    this.#trouble = this.#lines.length === 0 ? `${file} is empty; it lets nobody in` : null;
    this.#changed(this.#lines);
  }
}
