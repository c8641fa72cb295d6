import { Gauge, type Registry } from 'prom-client';

const TEXT_LENGTH_MAX = 2_000;

/**
 * Whether a service can do its work now, as a set of named problems. It is ready when there is no problem.
 *
 * It begins with the problem "starting", which `runService` removes when the service has started.
 */
export class Readiness {
  readonly #problems = new Map<string, string>([['starting', 'the service is starting']]);
  readonly #warnings = new Map<string, string>();

  /** Sets the problem of that name, or removes it (null). Names come from a bounded set; problems are one line. */
  set(name: string, problem: string | null): void {
    if (problem === null) this.#problems.delete(name);
    else this.#problems.set(name, problem);
  }

  /** The problems by name; empty when ready. */
  problems(): Record<string, string> {
    return Object.fromEntries(this.#problems);
  }

  /** Sets or removes (null) what an operator should know, although the service does its work. */
  warn(name: string, warning: string | null): void {
    if (warning === null) this.#warnings.delete(name);
    else this.#warnings.set(name, warning);
  }

  /** The warnings by name. */
  warnings(): Record<string, string> {
    return Object.fromEntries(this.#warnings);
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

export interface ReadinessAnswer {
  /** The service answers with a 2xx status and names no problem. */
  readonly ready: boolean;
  /**
   * By name, as the service reports them. The name is empty where the service gives no usable answer. Empty when ready.
   */
  readonly problems: Readonly<Record<string, string>>;
  /** For logs: the body of the answer, at most 2,000 characters, or the reason why there is no answer. */
  readonly text: string;
}

/** Asks a service once whether it is ready. `url` is that of its `/readyz`. Never rejects. */
export async function askReadiness(url: string, timeoutMs: number): Promise<ReadinessAnswer> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
    const body = await response.text();
    const problems = problemsIn(body) ?? { '': `not ready: status ${response.status}, without JSON` };
    const unnamed = Object.keys(problems).length === 0 && !response.ok;
    return {
      ready: response.ok && Object.keys(problems).length === 0,
      problems: unnamed ? { '': `not ready: status ${response.status}` } : problems,
      text: body.trim().slice(0, TEXT_LENGTH_MAX),
    };
  } catch (error) {
    if (error instanceof Error && error.name === 'TimeoutError') {
      const late = `no answer within ${timeoutMs} ms`;
      return { ready: false, problems: { '': late }, text: late };
    }
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const reason = cause instanceof Error ? cause.message : String(cause);
    return { ready: false, problems: { '': 'cannot be reached' }, text: `cannot be reached: ${reason}` };
  }
}

/** Null when the body is no JSON object. */
function problemsIn(body: string): Record<string, string> | null {
  try {
    const answer: unknown = JSON.parse(body);
    if (typeof answer !== 'object' || answer === null) return null;
    if (!('problems' in answer) || typeof answer.problems !== 'object' || answer.problems === null) return {};
    return Object.fromEntries(Object.entries(answer.problems).map(([name, problem]) => [name, String(problem)]));
  } catch {
    return null;
  }
}
