import { askReadiness, type Clock, type Readiness } from '@sink/runtime';

const ASK_TIMEOUT_MS = 1000;
/** How old an answer may be: load balancers ask often, and each new answer costs a request to every service. */
const ANSWER_AGE_MAX_MS = 500;

/**
 * Readiness of this service and of others that run beside it, as one answer. It asks the others at their operations ports;
 * a service that does not answer within a second is a problem by itself.
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

  /** All problems by name; the names of other services' problems begin with their address. Never rejects. */
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
  const { problems } = await askReadiness(url, ASK_TIMEOUT_MS);
  return Object.fromEntries(Object.entries(problems).map(([name, problem]) => [`${place} ${name}`.trim(), problem]));
}
