import { askReadiness, type Clock, type Readiness } from '@sink/runtime';

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
  const { problems } = await askReadiness(url, ASK_TIMEOUT_MS);
  return Object.fromEntries(Object.entries(problems).map(([name, problem]) => [`${place} ${name}`.trim(), problem]));
}
