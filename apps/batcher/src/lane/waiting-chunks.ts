import type { Routes } from '@sink/domain';

/** Chunks of routes that this batcher does not know. */
export interface Waiting {
  readonly chunks: number;
  readonly routes: readonly string[];
}

/**
 * Remembers which pending chunks wait for their route, so that they are not read again and again. They stay in the lane, as
 * they are, for a batcher that knows the route.
 */
export class WaitingChunks {
  readonly #max: number;
  readonly #changed: (waiting: Waiting) => void;
  #routes = new Map<string, string>();
  /** Those of the audit before. */
  #before = this.#routes;

  /** @param max chunks that are remembered; further ones are read again by each audit */
  constructor(max: number, changed: (waiting: Waiting) => void) {
    this.#max = max;
    this.#changed = changed;
  }

  add(id: string, route: string): void {
    if (this.#routes.size >= this.#max || this.#routes.has(id)) return;
    this.#routes.set(id, route);
    this.#report();
  }

  /** An audit begins: what it does not find is sealed, or in the hands of another batcher. */
  auditBegins(): void {
    this.#before = this.#routes;
    this.#routes = new Map();
  }

  /** Whether this pending chunk still waits. */
  stillWaits(id: string, known: Routes): boolean {
    const route = this.#before.get(id);
    if (route === undefined || known.has(route)) return false;
    this.#routes.set(id, route);
    return true;
  }

  auditEnds(): void {
    this.#before = this.#routes;
    this.#report();
  }

  #report(): void {
    this.#changed({ chunks: this.#routes.size, routes: [...new Set(this.#routes.values())].sort() });
  }
}
