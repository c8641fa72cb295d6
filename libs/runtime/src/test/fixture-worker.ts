import { Counter, Gauge, Registry } from 'prom-client';
import { createLogger } from '../logger.ts';
import { Readiness } from '../health.ts';
import { answerParent, tellParentOfStart } from '../worker-reports.ts';

/** A worker for the tests of `WorkerReports`, run as a process. Its argument says how it behaves. */
const [, , behaviour = ''] = process.argv;
const readiness = new Readiness();
const registry = new Registry();
new Counter({ name: 'done_total', help: 'Done.', registers: [registry] }).inc(5);
const log = createLogger({ service: 'worker', level: 'error', secrets: [] });
if (behaviour !== 'starting') readiness.set('starting', null);

process.on('message', (message) => {
  if (message === 'die when asked') process.on('message', () => process.exit(1));
});

switch (behaviour) {
  case 'silent':
    break;
  case 'cannot collect':
    new Gauge({
      name: 'broken',
      help: 'Cannot be read.',
      registers: [registry],
      collect: () => {
        throw new Error('reading what is broken');
      },
    });
    answerParent(readiness, registry, log);
    break;
  case 'silent from its start on':
    break;
  default:
    answerParent(readiness, registry, log);
}
if (behaviour !== 'silent') tellParentOfStart(readiness);
