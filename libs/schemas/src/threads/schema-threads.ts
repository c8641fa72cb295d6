import type { Worker } from 'node:worker_threads';
import type { Compiled, CompileRequest } from '../compile/compiler.ts';
import type { Program } from '../compile/program.ts';
import { type JobOutcome, JobThread } from './job-thread.ts';
import type { Evaluated, SchemaJob } from './jobs.ts';

/** The file of a thread: beside this one where sources run, and beside the bundle in `dist`. */
const FILE = import.meta.url.endsWith('.ts')
  ? new URL('./schema-worker.ts', import.meta.url)
  : new URL('./schema-worker.js', import.meta.url);

const COMPILE = {
  file: FILE,
  limits: { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 16 },
  deadlineMs: 2_000,
  waitingMax: 1_000,
  waitingBytesMax: 64 * 1024 * 1024,
  idleMs: 60_000,
};
/** The events of some whole batches may wait: their requests are bounded, and so is how long they wait. */
const EVALUATE = {
  file: FILE,
  limits: { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 32 },
  deadlineMs: 500,
  waitingMax: 50_000,
  waitingBytesMax: 64 * 1024 * 1024,
  idleMs: 60_000,
};
/** Programs that the evaluating thread keeps. */
const KEPT_MAX = 100;

/** A compiled schema, with a number of its own. */
export interface NumberedProgram {
  readonly id: number;
  readonly program: Program;
}

/** Two threads, started when they are needed: what is slow to compile holds up no evaluation. */
export class SchemaThreads {
  readonly #compiling: JobThread<Compiled>;
  readonly #evaluating: JobThread<Evaluated>;
  /** Of each thread, the programs that it has, the one used last at the end. */
  readonly #sent = new WeakMap<Worker, Set<number>>();

  #ids = 0;

  /** Tests have shorter deadlines. */
  constructor({ compileMs = COMPILE.deadlineMs, evaluateMs = EVALUATE.deadlineMs } = {}) {
    this.#compiling = new JobThread({ ...COMPILE, deadlineMs: compileMs });
    this.#evaluating = new JobThread({ ...EVALUATE, deadlineMs: evaluateMs });
  }

  /** A number for a program, which these threads know it by. */
  newId(): number {
    return (this.#ids += 1);
  }

  compile(request: CompileRequest): Promise<JobOutcome<Compiled>> {
    const bytes = request.documents.reduce((sum, { text }) => sum + text.length, 0);
    return this.#compiling.run(() => ({ kind: 'compile', ...request }) satisfies SchemaJob, { bytes });
  }

  /** @param data text of JSON @param untilMs nobody waits for it after that, by the clock of `performance` */
  evaluate({ id, program }: NumberedProgram, data: string, untilMs: number): Promise<JobOutcome<Evaluated>> {
    const message = (thread: Worker): SchemaJob => {
      const sent = this.#sent.get(thread) ?? new Set<number>();
      this.#sent.set(thread, sent);
      const isThere = sent.delete(id);
      sent.add(id);
      const forget = [...sent].slice(0, Math.max(0, sent.size - KEPT_MAX));
      for (const old of forget) sent.delete(old);
      return { kind: 'evaluate', id, program: isThere ? null : program, forget, data };
    };
    return this.#evaluating.run(message, { untilMs, bytes: data.length });
  }

  async close(): Promise<void> {
    await Promise.all([this.#compiling.close(), this.#evaluating.close()]);
  }
}
