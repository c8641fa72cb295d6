import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Logger } from '@sink/runtime';

const TAIL_LINES_MAX = 20;

/** "123:M 01 Nov 2026 10:00:00.000 # text": role, time, level, text. */
const LINE = /^\d+:[A-Z] \d+ \w+ \d+ [\d:.]+ ([.\-*#]) (.*)$/;

/**
 * Puts what redis-server prints into our log: its warnings as warnings once it is ready, the rest, its long-winded
 * start among it, as debug.
 */
export class RedisLog {
  readonly #tail: string[] = [];
  #ready = false;

  constructor(output: Readable, log: Logger, onReady: () => void) {
    createInterface({ input: output }).on('line', (line) => {
      const [, mark = '', text = line] = LINE.exec(line) ?? [];
      this.#tail.push(text);
      if (this.#tail.length > TAIL_LINES_MAX) this.#tail.shift();
      if (this.#ready && mark === '#' && !/shutdown|bye bye|SIGTERM/i.test(text)) log.warn(`Redis: ${text}`);
      else log.debug(`Redis: ${text}`);
      if (text.startsWith('Ready to accept connections')) {
        this.#ready = true;
        onReady();
      }
    });
  }

  /** The last lines, for an error message. */
  tail(): string {
    return this.#tail.join('\n');
  }
}
