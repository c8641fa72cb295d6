import { Gauge, type Registry } from 'prom-client';

/**
 * Whether a service can do its work now, as a set of named problems. It is ready when there is no problem.
 *
 * It begins with the problem "starting", which `runService` removes when the service has started.
 */
export class Readiness {
  readonly #problems = new Map<string, string>([['starting', 'the service is starting']]);
  readonly #warnings = new Map<string, { readonly text: string; readonly forStrangers: string }>();

  /** Sets the problem of that name, or removes it (null). Names come from a bounded set; problems are one line. */
  set(name: string, problem: string | null): void {
    if (problem === null) this.#problems.delete(name);
    else this.#problems.set(name, problem);
  }

  /** The problems by name; empty when ready. */
  problems(): Record<string, string> {
    return Object.fromEntries(this.#problems);
  }

  /**
   * Sets or removes (null) what an operator should know, although the service does its work.
   *
   * @param forStrangers what is said of it where anybody may read it. Default: all of it
   */
  warn(name: string, warning: string | null, forStrangers = warning ?? ''): void {
    if (warning === null) this.#warnings.delete(name);
    else this.#warnings.set(name, { text: warning, forStrangers });
  }

  /** The warnings by name. */
  warnings(): Record<string, string> {
    return Object.fromEntries([...this.#warnings].map(([name, { text }]) => [name, text]));
  }

  /** The same, for a port that strangers reach. */
  warningsForStrangers(): Record<string, string> {
    return Object.fromEntries([...this.#warnings].map(([name, { forStrangers }]) => [name, forStrangers]));
  }
}

/** What `/readyz` of the operations port says, as a metric. */
export function registerReadiness(registry: Registry, readiness: Readiness): void {
  const ready: Gauge = new Gauge({
    name: 'sink_ready',
    help: '1 while the service can do its work, 0 while /readyz of its operations port names a problem.',
    // Of several workers, all have to be.
    aggregator: 'min',
    registers: [registry],
    collect: () => ready.set(Object.keys(readiness.problems()).length === 0 ? 1 : 0),
  });
}
