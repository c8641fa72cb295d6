import { askReadiness, type Clock, type Readiness } from '@sink/runtime';

const ASK_TIMEOUT_MS = 1000;
/** How old an answer may be: load balancers ask often, and each new answer costs a request to every service. */
const ANSWER_AGE_MAX_MS = 500;

type Problems = Readonly<Record<string, string>>;

/** `/readyz` addresses that the answer includes. */
export interface AskedServices {
  /** Other processes of ingest on the same port: their problems make this port unready. */
  readonly sameService: readonly string[];
  /** Services that run beside ingest: without them events are still taken, so their problems are warnings. */
  readonly others: readonly string[];
}

/** The body of `/readyz` on the main port. */
export interface JointAnswer {
  readonly ready: boolean;
  readonly problems: Problems;
  /** Absent when there are none. */
  readonly warnings?: Problems;
}

/**
 * Readiness of the main port: events can be taken. It asks other services at their operations ports; a service that does
 * not answer within a second has a problem by itself. The names of their problems begin with their address (ADR 16).
 */
export class JointReadiness {
  readonly #own: Readiness;
  readonly #sameService: Asked;
  readonly #others: Asked;

  constructor(own: Readiness, { sameService, others }: AskedServices, clock: Clock) {
    this.#own = own;
    this.#sameService = new Asked(sameService, clock);
    this.#others = new Asked(others, clock);
  }

  /** @param all whether a problem of any service makes the answer unready. Never rejects. */
  async answer(all: boolean): Promise<JointAnswer> {
    const [same, others] = await Promise.all([this.#sameService.problems(), this.#others.problems()]);
    const problems = { ...this.#own.problems(), ...same, ...(all ? others : {}) };
    const ready = Object.keys(problems).length === 0;
    const warnings = { ...this.#own.warningsForStrangers(), ...(all ? {} : others) };
    return Object.keys(warnings).length === 0 ? { ready, problems } : { ready, problems, warnings };
  }
}

/** Services and their last answers. */
class Asked {
  readonly #urls: readonly string[];
  readonly #clock: Clock;
  #problems: Promise<Problems> = Promise.resolve({});
  #askedAtMs = -Infinity;

  constructor(urls: readonly string[], clock: Clock) {
    this.#urls = urls;
    this.#clock = clock;
  }

  problems(): Promise<Problems> {
    const nowMs = this.#clock.monotonicMs();
    if (this.#urls.length > 0 && nowMs - this.#askedAtMs > ANSWER_AGE_MAX_MS) {
      this.#askedAtMs = nowMs;
      this.#problems = Promise.all(this.#urls.map(ask)).then((found) => Object.assign({}, ...found) as Problems);
    }
    return this.#problems;
  }
}

async function ask(url: string): Promise<Problems> {
  const place = URL.canParse(url) ? new URL(url).host : url;
  const { problems } = await askReadiness(url, ASK_TIMEOUT_MS);
  return Object.fromEntries(Object.entries(problems).map(([name, problem]) => [`${place} ${name}`.trim(), problem]));
}
