import type { ChildProcess } from 'node:child_process';
import { AggregatorRegistry, type MetricObjectWithValues, type MetricValue, type Registry } from 'prom-client';
import type { Readiness } from './readiness.ts';

const ANSWER_TIMEOUT_MS = 1_000;

type Metrics = readonly MetricObjectWithValues<MetricValue<string>>[];
type Problems = Readonly<Record<string, string>>;

/** What goes over the channel between a service's process and its workers. */
interface Question {
  readonly question: number;
  readonly about: 'problems' | 'metrics';
}
interface Answer {
  readonly question: number;
  readonly problems?: Problems;
  readonly metrics?: Metrics;
}

interface Worker {
  readonly name: string;
  readonly child: ChildProcess;
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
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #question = 0;
  #everHadWorkers = false;
  /** What workers that are gone had counted when they were last asked. */
  #departed: Promise<Metrics> = Promise.resolve([]);

  /** Counts a worker in until it is gone. It has a channel ('ipc', advanced serialization) and runs `runService`. */
  add(name: string, child: ChildProcess): void {
    const worker: Worker = { name, child, metrics: [] };
    this.#everHadWorkers = true;
    this.#workers.add(worker);
    child.on('message', (message) => {
      if (isAnswer(message)) this.#waiting.get(message.question)?.(message);
    });
    child.once('exit', () => {
      this.#workers.delete(worker);
      this.#departed = this.#departed.then((earlier) => sumOf([earlier, worker.metrics.filter(isCounted)]).asJson());
    });
  }

  get count(): number {
    return this.#workers.size;
  }

  /**
   * What stands in the way of the workers that take work, by name. One that is only just starting takes none, so it is
   * left out, unless there is no other. Never rejects.
   */
  async problems(): Promise<Problems> {
    if (!this.#everHadWorkers) return {};
    const answers = await Promise.all(
      [...this.#workers].map(async (worker) => {
        const answer = await this.#ask(worker, 'problems');
        const problems = answer?.problems ?? { '': `no answer within ${ANSWER_TIMEOUT_MS} ms` };
        return { worker, problems };
      }),
    );
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

  /** Null: no answer in time. */
  #ask({ child }: Worker, about: Question['about']): Promise<Answer | null> {
    const question = this.#question++;
    return new Promise((resolve) => {
      const settle = (answer: Answer | null): void => {
        clearTimeout(timer);
        child.off('exit', gone);
        this.#waiting.delete(question);
        resolve(answer);
      };
      const gone = (): void => settle(null);
      const timer = setTimeout(gone, ANSWER_TIMEOUT_MS);
      child.once('exit', gone);
      this.#waiting.set(question, settle);
      // A worker that is going closes its channel first: then there is no answer.
      if (child.connected) child.send({ question, about } satisfies Question, () => undefined);
    });
  }
}

/** The worker's side: answers its parent, over the channel, what an operations port would. */
export function answerParent(readiness: Readiness, registry: Registry): void {
  process.on('message', (message) => {
    if (!isQuestion(message)) return;
    const { question, about } = message;
    if (about === 'problems') {
      tellParent({ question, problems: readiness.problems() });
      return;
    }
    void registry.getMetricsAsJSON().then((metrics) => tellParent({ question, metrics }));
  });
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
  return (
    typeof message === 'object' && message !== null && 'question' in message && typeof message.question === 'number'
  );
}
