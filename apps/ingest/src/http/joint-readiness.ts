import type { Clock, Readiness } from '@sink/runtime';

const ASK_TIMEOUT_MS = 1000;
/** Load balancers ask often, and each answer costs a request to every service. */
const ANSWER_AGE_MAX_MS = 500;

/**
 * Readiness of this service and of others that run beside it, as one answer. The others are asked at their operations
 * ports; one that does not answer in a second is a problem by itself.
 */
export class JointReadiness {
  readonly #own: Readiness;
  readonly #urls: readonly string[];
  readonly #clock: Clock;
  #others: Promise<Record<string, string>> = Promise.resolve({});
  #askedAtMs = -Infinity;

  constructor(own: Readiness, urls: readonly string[], clock: Clock) {
    this.#own = own;
    this.#urls = urls;
    this.#clock = clock;
  }

  /** All problems by name; those of others begin with where they were found. Never rejects. */
  async problems(): Promise<Record<string, string>> {
    if (this.#urls.length === 0) return this.#own.problems();
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#askedAtMs > ANSWER_AGE_MAX_MS) {
      this.#askedAtMs = nowMs;
      this.#others = Promise.all(this.#urls.map(ask)).then(
        (found) => Object.assign({}, ...found) as Record<string, string>,
      );
    }
    return { ...this.#own.problems(), ...(await this.#others) };
  }
}

async function ask(url: string): Promise<Record<string, string>> {
  const place = URL.canParse(url) ? new URL(url).host : url;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ASK_TIMEOUT_MS) });
    const answer: unknown = await response.json();
    const problems = problemsIn(answer).map(([name, problem]): [string, string] => [`${place} ${name}`, problem]);
    if (problems.length === 0 && !response.ok) return { [place]: `not ready: status ${response.status}` };
    return Object.fromEntries(problems);
  } catch (error) {
    const late = error instanceof Error && error.name === 'TimeoutError';
    return { [place]: late ? `no answer within ${ASK_TIMEOUT_MS} ms` : 'cannot be reached' };
  }
}

function problemsIn(answer: unknown): [string, string][] {
  if (typeof answer !== 'object' || answer === null || !('problems' in answer)) return [];
  if (typeof answer.problems !== 'object' || answer.problems === null) return [];
  return Object.entries(answer.problems).map(([name, problem]) => [name, String(problem)]);
}
