import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const TOOL = join(import.meta.dirname, '../../../tools/prometheus.mjs');
/** Both programs have 60 MB, packed. */
const TIMEOUT_MS = 300_000;

export interface PrometheusPrograms {
  readonly prometheus: string;
  readonly promtool: string;
}

/** Both programs, fetched if the machine has none. @throws with the reason if they cannot be had */
export async function prometheusPrograms(): Promise<PrometheusPrograms> {
  const { stdout } = await promisify(execFile)(process.execPath, [TOOL], { timeout: TIMEOUT_MS });
  const [prometheus, promtool] = stdout.trim().split('\n');
  if (prometheus === undefined || promtool === undefined) throw new Error(`${TOOL} printed ${stdout}`);
  return { prometheus, promtool };
}
