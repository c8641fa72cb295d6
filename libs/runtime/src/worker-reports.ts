import type { ChildProcess } from 'node:child_process';
import { AggregatorRegistry, type MetricObjectWithValues, type MetricValue, type Registry } from 'prom-client';
import type { Logger } from './logger.ts';
import type { Readiness } from './health.ts';

/** Shorter than anybody waits who asks us, a second at least: so it is us who say which worker is silent. */
const ANSWER_TIMEOUT_MS = 750;

type Metrics = readonly MetricObjectWithValues<MetricValue<string>>[];
type Problems = Readonly<Record<string, string>>;

/** What goes over the channel between a service's process and its workers. */
interface Question {
  readonly question: number;
  readonly about: 'problems' | 'metrics';
}
interface Answer {
  /** Null: not asked for, said by a worker that has just started. */
  readonly question: number | null;
  readonly problems: Problems;
  /** Where asked for; none when they could not be collected. */
  readonly metrics?: Metrics;
}

interface Worker {
  readonly name: string;
  readonly child: ChildProcess;
  /** By the number of the question. Null: there is no answer. */
  readonly waiting: Map<number, (answer: Answer | null) => void>;
  /** It has said that it is no longer starting: from then on it takes work, so its silence is a problem. */
  hasStarted: boolean;
  /** As of its last answer. */
  metrics: Metrics;
}

/**
 * The health and metrics of a service whose work is done by several processes, as one answer: the parent asks its
 * workers over their channels. (prom-client does the same for node:cluster alone, and forgets what a dead worker had
 * counted: the sums would fall, which Prometheus takes for a restart and counts all the others' again.)
 */
export class WorkerReports {
  readonly #workers = new Set<Worker>();
  #question = 0;
  #everHadWorkers = false;
  /** What workers that are gone had counted when they were last asked. */
  #departed: Promise<Metrics> = Promise.resolve([]);

  /** Counts a worker in until it is gone. It has a channel ('ipc', advanced serialization) and runs `runService`. */
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
      // Also emitted when a message could not be sent: only a process that was never born has no pid, and no exit.
      if (child.pid === undefined) this.#remove(worker);
    });
  }

  /** Of those that take work: not of one that is only just starting. */
  get count(): number {
    return [...this.#workers].filter(({ hasStarted }) => hasStarted).length;
  }

  /**
   * What stands in the way of the workers that take work, by name. One that is only just starting takes none, so it is
   * left out, unless there is no other; so is one that is gone. Never rejects.
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

  /** The metrics of this process and its workers as one text: sums, or what each metric's `aggregator` says. */
  async metrics(own: Registry): Promise<string> {
    if (!this.#everHadWorkers) return own.metrics();
    await Promise.all(
      [...this.#workers].map(async (worker) => {
        worker.metrics = (await this.#ask(worker, 'metrics'))?.metrics ?? worker.metrics;
      }),
    );
    const ownMetrics = await own.getMetricsAsJSON();
    // Both at one moment: a worker that goes changes from one to the other.
    const [departed, present] = [this.#departed, [...this.#workers].map(({ metrics }) => metrics)];
    return sumOf([ownMetrics, await departed, ...present]).asText();
  }

  /** Null: no answer in time, or no worker any more. */
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
      // A worker that is going closes its channel first: then there is no answer.
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

/** The worker's side: answers its parent, over the channel, what an operations port would. */
export function answerParent(readiness: Readiness, registry: Registry, log: Logger): void {
  process.on('message', (message) => {
    if (isQuestion(message)) void answer(message, readiness, registry, log).then(tellParent);
  });
}

/** The worker's side: it takes work from now on, and its parent need not ask to know. */
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
  // The parent may be gone: then nobody is left to be told.
  if (process.connected) process.send?.(answer, undefined, undefined, () => undefined);
}

function sumOf(all: readonly Metrics[]): { asText(): Promise<string>; asJson(): Promise<Metrics> } {
  const sum = AggregatorRegistry.aggregate(all.map((metrics) => [...metrics]));
  return { asText: () => sum.metrics(), asJson: () => sum.getMetricsAsJSON() };
}

/** Counted up, and of use still when who counted is gone. */
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
