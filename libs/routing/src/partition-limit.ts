/** When a path was last appended to. */
interface Known {
  lastMs: number;
}

/** The paths of one route. */
export interface RoutePaths {
  readonly paths: Map<string, Known>;
  /** How long a path is known after it was last appended to. Read at each use. */
  readonly knownMs: () => number;
}

/**
 * Bounds the paths that this process appends to at a time: each is an object that is being filled. A path that is known stays;
 * another one is refused while there are `max` of them.
 */
export class PartitionLimit {
  readonly #max: number;
  readonly #routes: RoutePaths[] = [];
  #size = 0;
  /** No path is forgotten before this time. */
  #nextMs = -Infinity;

  constructor(max: number) {
    this.#max = max;
  }

  /** A route with paths of its own. */
  add(knownMs: () => number): RoutePaths {
    const route: RoutePaths = { paths: new Map(), knownMs };
    this.#routes.push(route);
    return route;
  }

  /** Whether the path may be appended to. */
  admits({ paths }: RoutePaths, path: string, nowMs: number): boolean {
    const known = paths.get(path);
    if (known !== undefined) {
      known.lastMs = nowMs;
      return true;
    }
    if (this.#size >= this.#max) this.#forget(nowMs);
    if (this.#size >= this.#max) return false;
    paths.set(path, { lastMs: nowMs });
    this.#size += 1;
    return true;
  }

  /** Looks through all paths only when one may be old enough: a flood of new ones costs nothing more. */
  #forget(nowMs: number): void {
    if (nowMs < this.#nextMs) return;
    let oldestMs = Infinity;
    for (const { paths, knownMs } of this.#routes) {
      const ms = knownMs();
      for (const [path, { lastMs }] of paths) {
        if (nowMs - lastMs < ms) oldestMs = Math.min(oldestMs, lastMs + ms);
        else if (paths.delete(path)) this.#size -= 1;
      }
    }
    this.#nextMs = oldestMs;
  }
}
