/**
 * Whether a service can do its work now, as a set of named problems. Ready means: no problem.
 *
 * It begins with the problem "starting", which `runService` takes away when the service has started.
 */
export class Readiness {
  readonly #problems = new Map<string, string>([['starting', 'the service is starting']]);

  /** Sets or (with null) takes away the problem of that name. Names come from a bounded set; problems are one line. */
  set(name: string, problem: string | null): void {
    if (problem === null) this.#problems.delete(name);
    else this.#problems.set(name, problem);
  }

  /** What stands in the way, by name; empty when ready. */
  problems(): Record<string, string> {
    return Object.fromEntries(this.#problems);
  }
}
