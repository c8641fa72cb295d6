/** The thread that compiles schemas, and the one that evaluates those that may take long. Each loads only what it needs. */
import { parentPort } from 'node:worker_threads';
import { type Evaluate, instantiate } from '../compile/instantiate.ts';
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

parentPort?.on('message', (job: SchemaJob) => {
  void answerTo(job).then((answer) => parentPort?.postMessage(answer));
});
// A first message, so that the time for loading counts for no job.
parentPort?.postMessage('ready');
