import type { SchemaDirectories } from './directories.ts';
import type { Found, SchemaSource } from './source.ts';

/** Searches at a time, and those that wait for their turn. */
const SEARCHES_MAX = 16;
const WAITING_MAX = 1_000;

export const NO_SOURCE = {
  kind: 'absent',
  why: 'it is in no directory, in no registry and on no host of the configuration',
} as const satisfies Found;
const BUSY: Found = { kind: 'away', why: 'too many schemas are being fetched', isBusy: true };

/** All places that schemas come from, in their order: directories, registries, hosts. The first one that is for it answers. */
export class SchemaSources implements SchemaSource {
  readonly #directories: SchemaDirectories;
  readonly #remote: readonly SchemaSource[];
  readonly #fetched: (kind: Found['kind']) => void;
  readonly #waiting: (() => void)[] = [];
  #searches = 0;

  /** @param fetched called after each search that asked a registry or a host */
  constructor(
    directories: SchemaDirectories,
    remote: readonly SchemaSource[],
    fetched: (kind: Found['kind']) => void = () => undefined,
  ) {
    this.#directories = directories;
    this.#remote = remote;
    this.#fetched = fetched;
  }

  isFor(uri: string): boolean {
    return this.#directories.isFor(uri) || this.#remote.some((source) => source.isFor(uri));
  }

  async find(uri: string): Promise<Found> {
    const file = this.#directories.isFor(uri) ? await this.#directories.find(uri) : NO_SOURCE;
    const remote = file.kind === 'document' ? undefined : this.#remote.find((source) => source.isFor(uri));
    if (remote === undefined) return file;
    const found = await this.#ask(remote, uri);
    // What a directory has that cannot be read now, nobody knows.
    return found.kind === 'absent' && file.kind === 'away' ? file : found;
  }

  async #ask(remote: SchemaSource, uri: string): Promise<Found> {
    if (this.#searches >= SEARCHES_MAX) {
      if (this.#waiting.length >= WAITING_MAX) return BUSY;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#searches += 1;
    try {
      const found = await remote.find(uri);
      this.#fetched(found.kind);
      return found;
    } finally {
      this.#searches -= 1;
      this.#waiting.shift()?.();
    }
  }
}
