import type { ChildProcess } from 'node:child_process';
import { AggregatorRegistry, type MetricObjectWithValues, type MetricValue, type Registry } from 'prom-client';
import type { Logger } from './logger.ts';
import type { Readiness } from './health.ts';

/** Clients of `/readyz` wait at least a second. This is shorter, so that the answer can name the silent worker. */
const ANSWER_TIMEOUT_MS = 750;

type Metrics = readonly MetricObjectWithValues<MetricValue<string>>[];
type Problems = Readonly<Record<string, string>>;

/** The messages between a service's process and its workers. */
interface Question {
  readonly question: number;
  readonly about: 'problems' | 'metrics';
}
interface Answer {
  /** Null: a worker reports without a question that it has started. */
  readonly question: number | null;
  readonly problems: Problems;
  /** If the question is about metrics; absent if they could not be collected. */
  readonly metrics?: Metrics;
}

interface Worker {
  readonly name: string;
  readonly child: ChildProcess;
  /** By the number of the question. They are called with null if there is no answer. */
  readonly waiting: Map<number, (answer: Answer | null) => void>;
  /**
   * The worker has reported that it is no longer starting. From then on it takes work, and its silence is a problem.
   */
  hasStarted: boolean;
  /** From its last answer. */
  metrics: Metrics;
}

/**
 * Combines the health and metrics of the worker processes of a service: the parent asks its workers over their
 * channels. prom-client does this for node:cluster only, and drops the counts of workers that have ended. The sums
 * would then decrease, which Prometheus interprets as a restart, and it would count the other workers twice.
 */
export class WorkerReports {
  readonly #workers = new Set<Worker>();
  #question = 0;
  #everHadWorkers = false;
  /** The counts of ended workers, from their last answers. */
  #departed: Promise<Metrics> = Promise.resolve([]);

  /** Includes a worker until it exits. It has a channel ('ipc', advanced serialization) and runs `runService`. */
  add(name: string, child: ChildProcess): void {
    const worker: Worker = { name, child, waiting: new Map(), hasStarted: false, metrics: [] };
    this.#everHadWorkers = true;
    this.#workers.add(worker);
    child.on('message', (message) => {
      if (!isAnswer(message)) return;
      worker.hasStarted ||= !('starting' in message.problems);
      if (message.question !== null) worker.waiting.get(message.question)?.(message);
    });
    child.once('exit', () => this.#remove(worker));
    child.on('error', () => {
      // 'error' also means that a message could not be sent. Without a pid, the process never started and never exits.
      if (child.pid === undefined) this.#remove(worker);
    });
  }

  /** The workers that have not exited. */
  get processes(): readonly { readonly name: string; readonly child: ChildProcess }[] {
    return [...this.#workers];
  }

  /** The number of workers that take work; workers that are starting do not count. */
  get count(): number {
    return [...this.#workers].filter(({ hasStarted }) => hasStarted).length;
  }

  /**
   * The problems of the workers that take work, by name. Workers that are starting are left out unless there are no
   * others, and workers that have ended are left out. Never rejects.
   */
  async problems(): Promise<Problems> {
    if (!this.#everHadWorkers) return {};
    const asked = await Promise.all(
      [...this.#workers].map(async (worker) => ({ worker, answer: await this.#ask(worker, 'problems') })),
    );
    const answers = asked
      .filter(({ worker }) => this.#workers.has(worker))
      .map(({ worker, answer }) => ({ worker, problems: answer?.problems ?? silenceOf(worker) }));
    const working = answers.filter(({ problems }) => !('starting' in problems));
    const counted = working.length > 0 ? working : answers;
    if (counted.length === 0) return { workers: 'no worker runs' };
    return Object.fromEntries(
      counted.flatMap(({ worker, problems }) =>
        Object.entries(problems).map(([name, problem]) => [`${worker.name} ${name}`.trim(), problem]),
      ),
    );
  }

  /** The metrics of this process and its workers as one text: sums, or as each metric's `aggregator` says. */
  async metrics(own: Registry): Promise<string> {
    if (!this.#everHadWorkers) return own.metrics();
    await Promise.all(
      [...this.#workers].map(async (worker) => {
        worker.metrics = (await this.#ask(worker, 'metrics'))?.metrics ?? worker.metrics;
      }),
    );
    const ownMetrics = await own.getMetricsAsJSON();
    // Read both together, because an exiting worker moves from the second to the first.
    const [departed, present] = [this.#departed, [...this.#workers].map(({ metrics }) => metrics)];
    return sumOf([ownMetrics, await departed, ...present]).asText();
  }

  /** Null: no answer in time, or the worker has ended. */
  #ask({ child, waiting }: Worker, about: Question['about']): Promise<Answer | null> {
    const question = this.#question++;
    return new Promise((resolve) => {
      const settle = (answer: Answer | null): void => {
        clearTimeout(timer);
        waiting.delete(question);
        resolve(answer);
      };
      const timer = setTimeout(() => settle(null), ANSWER_TIMEOUT_MS);
      waiting.set(question, settle);
      // An exiting worker closes its channel first. It will not answer.
      if (child.connected) child.send({ question, about } satisfies Question, () => undefined);
    });
  }

  #remove(worker: Worker): void {
    this.#workers.delete(worker);
    for (const settle of worker.waiting.values()) settle(null);
    this.#departed = this.#departed.then((earlier) => sumOf([earlier, worker.metrics.filter(isCounted)]).asJson());
  }
}

function silenceOf({ hasStarted }: Worker): Problems {
  return { [hasStarted ? '' : 'starting']: `no answer within ${ANSWER_TIMEOUT_MS} ms` };
}

/** In a worker: answers the questions of its parent as an operations port would. */
export function answerParent(readiness: Readiness, registry: Registry, log: Logger): void {
  process.on('message', (message) => {
    if (isQuestion(message)) void answer(message, readiness, registry, log).then(tellParent);
  });
}

/** In a worker: reports to the parent, without a question, that this worker takes work from now on. */
export function tellParentOfStart(readiness: Readiness): void {
  tellParent({ question: null, problems: readiness.problems() });
}

async function answer(
  { question, about }: Question,
  readiness: Readiness,
  registry: Registry,
  log: Logger,
): Promise<Answer> {
  const problems = readiness.problems();
  if (about === 'problems') return { question, problems };
  try {
    return { question, problems, metrics: await registry.getMetricsAsJSON() };
  } catch (error) {
    log.error({ err: error }, 'collecting metrics failed');
    return { question, problems };
  }
}

function tellParent(answer: Answer): void {
  // Without a channel the parent has ended.
  if (process.connected) process.send?.(answer, undefined, undefined, () => undefined);
}

function sumOf(all: readonly Metrics[]): { asText(): Promise<string>; asJson(): Promise<Metrics> } {
  const sum = AggregatorRegistry.aggregate(all.map((metrics) => [...metrics]));
  return { asText: () => sum.metrics(), asJson: () => sum.getMetricsAsJSON() };
}

/** Whether the metric only increases, so that it stays valid after its worker has ended. */
function isCounted({ type }: Metrics[number]): boolean {
  const name = String(type);
  return name === 'counter' || name === 'histogram';
}

function isQuestion(message: unknown): message is Question {
  return typeof message === 'object' && message !== null && 'question' in message && 'about' in message;
}

function isAnswer(message: unknown): message is Answer {
  return typeof message === 'object' && message !== null && 'question' in message && 'problems' in message;
}
