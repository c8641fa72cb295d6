/** The thread that compiles schemas, and the one that evaluates those that may take long. Each loads only what it needs. */
import { parentPort } from 'node:worker_threads';
import { type Evaluate, instantiate } from '../compile/instantiate.ts';
import type { ThreadAnswer } from './job-thread.ts';
import { evaluated, type SchemaJob, type SchemaJobAnswer } from './jobs.ts';

const evaluates = new Map<number, Evaluate>();

async function answerTo(job: SchemaJob): Promise<SchemaJobAnswer> {
  if (job.kind === 'compile') {
    const { compile } = await import('../compile/compiler.ts');
    return compile(job);
  }
  for (const id of job.forget) evaluates.delete(id);
  return evaluated(() => {
    if (job.program !== null) evaluates.set(job.id, instantiate(job.program));
    const evaluate = evaluates.get(job.id);
    if (evaluate === undefined) throw new Error(`program ${job.id} is not there`);
    return evaluate(JSON.parse(job.data));
  });
}

function post(answer: SchemaJobAnswer | null): void {
  const { user, system } = process.threadCpuUsage();
  parentPort?.postMessage({ answer, cpuMs: (user + system) / 1000 } satisfies ThreadAnswer<typeof answer>);
}

parentPort?.on('message', (job: SchemaJob) => void answerTo(job).then(post));
// So that the time for loading counts for no job.
post(null);
