import { readTextFile } from '@sink/config';
import type { Clock } from './clock.ts';

/** A change takes effect within 5 s. */
const LOOK_EVERY_MS = 4_000;
/** What this much later is still the same is written to its end. */
const SETTLED_AFTER_MS = 250;

/** What a file contains, or why it cannot be read. A problem never contains a part of the file, which may be a secret. */
export type FileContent = { readonly text: string } | { readonly problem: string };

/**
 * Files whose content is replaced while the sink runs: certificates, keys, tokens, secrets. They are read again, because a
 * Secret of Kubernetes changes by a symlink, and a file on a network by no event at all.
 *
 * Files that belong together are watched together: a change of one is told with the contents of all, once none of them
 * changes any more.
 */
export class WatchedFiles {
  readonly #paths: readonly string[];
  readonly #clock: Pick<Clock, 'sleep'>;
  #contents: readonly FileContent[];
  #shown: string;

  /** Reads the files for the first time. */
  constructor(paths: readonly string[], clock: Pick<Clock, 'sleep'>) {
    this.#paths = paths;
    this.#clock = clock;
    this.#contents = this.#read();
    this.#shown = JSON.stringify(this.#contents);
  }

  /** What each file contains, in the order of the paths: as it was told last. */
  get contents(): readonly FileContent[] {
    return this.#contents;
  }

  /** Calls back whenever the contents have changed, also to files that cannot be read any more. */
  watchUntil(ended: AbortSignal, changed: (contents: readonly FileContent[]) => void): Promise<void> {
    let seen = this.#contents;
    const look = (): string | null => {
      seen = this.#read();
      const shown = JSON.stringify(seen);
      return shown === this.#shown ? null : shown;
    };
    const take = (): void => {
      this.#contents = seen;
      this.#shown = JSON.stringify(seen);
      changed(seen);
    };
    return watchUntil(ended, { everyMs: LOOK_EVERY_MS, look, take }, this.#clock);
  }

  #read(): readonly FileContent[] {
    return this.#paths.map((path) => {
      const content = readTextFile(path);
      if (content === 'missing') return { problem: 'it does not exist' };
      return 'text' in content ? content : { problem: `it cannot be read: ${content.failure}` };
    });
  }
}

export interface Watched {
  readonly everyMs: number;
  /** What is there now; null: what was taken last. */
  readonly look: () => string | null;
  /** Takes what is there now. A promise is awaited. */
  readonly take: () => unknown;
}

/** Looks again and again, and takes a change once it has settled. */
export async function watchUntil(
  ended: AbortSignal,
  { everyMs, look, take }: Watched,
  clock: Pick<Clock, 'sleep'>,
): Promise<void> {
  let seen: string | null = null;
  for (;;) {
    await clock.sleep(seen === null ? everyMs : SETTLED_AFTER_MS, ended);
    if (ended.aborted) return;
    const changed = look();
    if (changed !== null && changed === seen) {
      await take();
      seen = null;
    } else seen = changed;
  }
}
