import type { ReadText } from './config-file.ts';
import type { SettingPath } from './settings.ts';

/**
 * Reads a secret from its file, again at each call, because secrets are replaced while the sink runs.
 * @throws SecretFileError
 */
export type ReadSecret = () => string;

/** The file of a secret cannot be used now. The next call may succeed. */
export class SecretFileError extends Error {
  override readonly name = 'SecretFileError';
  readonly code = 'secret_file';
  readonly retryable = true;

  constructor(key: SettingPath, file: string, problem: string) {
    super(`reading ${key} [file=${file}]: ${problem}`);
  }
}

/** Makes the readers of one configuration. */
export class SecretFiles {
  readonly #readText: ReadText;
  /** The values that were read, without those that are no longer in use: no log line may contain them. */
  readonly values = new Set<string>();

  constructor(readText: ReadText) {
    this.#readText = readText;
  }

  /** @param key the key that names the file: `redis.password_file` */
  reader(key: SettingPath, file: string): ReadSecret {
    let current: string | undefined;
    let previous: string | undefined;
    return () => {
      const secret = this.#read(key, file);
      if (secret === current) return secret;
      // The one before the previous one is no longer in use: rotation must not make the set grow for ever.
      if (previous !== undefined) this.values.delete(previous);
      [previous, current] = [current, secret];
      this.values.add(secret);
      return secret;
    };
  }

  #read(key: SettingPath, file: string): string {
    const content = this.#readText(file);
    if (content === 'missing') throw new SecretFileError(key, file, 'the file does not exist');
    if ('failure' in content) throw new SecretFileError(key, file, content.failure);
    const secret = secretOfText(content.text);
    if (secret.trim() === '') throw new SecretFileError(key, file, 'the file is empty');
    if (/[\r\n\0]/.test(secret)) throw new SecretFileError(key, file, 'the file has several lines');
    return secret;
  }
}

/** The content of a secret's file without the line breaks that editors add at its end. */
export function secretOfText(text: string): string {
  return text.replace(/[\r\n]+$/, '');
}
