import { fileURLToPath } from 'node:url';
import { ConfigInForce } from '@sink/config';
import { runSink } from '../supervisor/run-sink.ts';
import { StartError } from '../start-error.ts';

/**
 * The supervisor with scripted services in place of the real ones, as a process of its own. `SCRIPT_LOCK_TIMES` in the
 * environment: the times of the lock of data_dir, as "beatMs,staleMs".
 */
const [beatMs, staleMs] = (process.env['SCRIPT_LOCK_TIMES'] ?? '').split(',').map(Number);
try {
  const inForce = new ConfigInForce({ env: process.env });
  const code = await runSink({
    config: inForce.config,
    inForce,
    env: process.env,
    configArguments: ['--config', 'sink.yml'],
    programOf: (service) => fileURLToPath(new URL(`./${service}.ts`, import.meta.url)),
    ...(beatMs === undefined || staleMs === undefined ? {} : { lockTimes: { beatMs, staleMs } }),
  });
  process.exit(code);
} catch (error) {
  if (!(error instanceof StartError)) throw error;
  process.stderr.write(`${error.code}: ${error.message}\n`);
  process.exit(1);
}
