import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, type ManagedProcess, startProcess, temporaryDirectory } from '@sink/testing';
import type { Figure, Goal, ScenarioReport } from '../report/figure.ts';
import { median } from '../report/statistics.ts';
import type { BenchContext } from '../scenario.ts';
import { REPOSITORY, SERVICES, type ServiceName } from '../sink/service.ts';

const READY_SECONDS: Goal = { atMost: 2 };
const READY_MAX_MS = 60_000;
/** How precisely the time is measured. */
const POLL_MS = 5;

/** The seconds from the start of npm until each service was ready. */
interface StartRun {
  readonly services: Readonly<Record<ServiceName, number>>;
  /** npm and a bare node:http server: the part of the time that is not the sink's. */
  readonly bare: number;
}

interface StartReport extends ScenarioReport {
  readonly runs: readonly StartRun[];
}

/** Measures `npm start` on an installed clone, with a Redis of the sink's own and an empty data directory. */
export async function start({ settings, say }: BenchContext): Promise<StartReport> {
  const runs: StartRun[] = [];
  // The first start only warms the page cache.
  for (let run = 0; run <= settings.runs; run++) {
    const result = { services: await startSink(), bare: await startBare() };
    say(
      `start: ${Object.entries(result.services)
        .map(([name, s]) => `${name} ${s.toFixed(2)}`)
        .join(', ')} s, bare ${result.bare.toFixed(2)} s`,
    );
    if (run > 0) runs.push(result);
  }
  return { name: 'start', title: 'npm start', tables: [{ title: 'start', figures: startFigures(runs) }], runs };
}

export function startFigures(runs: readonly StartRun[]): Figure[] {
  const row = 'seconds from npm start to ready';
  const over = (seconds: (run: StartRun) => number): number => median(runs.map(seconds));
  return [
    ...SERVICES.map((column) => ({ row, column, value: over(({ services }) => services[column]) })),
    {
      row,
      column: 'all services',
      goal: READY_SECONDS,
      value: over(({ services }) => Math.max(...Object.values(services))),
    },
    { row, column: 'a bare server by npm start', value: over(({ bare }) => bare) },
  ];
}

async function startSink(): Promise<Record<ServiceName, number>> {
  const ports = await Promise.all([...SERVICES, 'data'].map(() => freePort()));
  const [ingestPort = 0, batcherPort = 0, uploaderPort = 0, port = 0] = ports;
  const startMs = performance.now();
  const npm = await startProcess({
    command: 'npm',
    args: ['start'],
    cwd: REPOSITORY,
    env: {
      NODE_ENV: 'production',
      SINK_DATA_DIR: temporaryDirectory('start'),
      SINK_PORT: String(port),
      SINK_INGEST_OPS_PORT: String(ingestPort),
      SINK_BATCHER_OPS_PORT: String(batcherPort),
      SINK_UPLOADER_OPS_PORT: String(uploaderPort),
    },
  });
  try {
    const [ingest, batcher, uploader] = await Promise.all(
      [ingestPort, batcherPort, uploaderPort].map((opsPort) =>
        secondsUntilOk(`http://127.0.0.1:${opsPort}/readyz`, startMs, npm),
      ),
    );
    return { ingest: ingest ?? 0, batcher: batcher ?? 0, uploader: uploader ?? 0 };
  } finally {
    await npm.kill('SIGTERM');
  }
}

async function startBare(): Promise<number> {
  const directory = temporaryDirectory('start-bare');
  const script = join(import.meta.dirname, '../sink/bare-main.ts');
  const scripts = { start: `exec "${process.execPath}" "${script}"` };
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ name: 'bare', private: true, scripts }));
  const startMs = performance.now();
  const npm = await startProcess({ command: 'npm', args: ['start'], cwd: directory });
  await npm.waitFor(/listening on (\S+)/);
  const seconds = (performance.now() - startMs) / 1000;
  await npm.kill('SIGTERM');
  return seconds;
}

async function secondsUntilOk(url: string, startMs: number, npm: ManagedProcess): Promise<number> {
  for (;;) {
    const ok = await fetch(url).then(
      (response) => response.ok,
      () => false,
    );
    const nowMs = performance.now();
    if (ok) return (nowMs - startMs) / 1000;
    if (nowMs - startMs > READY_MAX_MS) throw new Error(`waiting for ${url}: not ready; output:\n${npm.output()}`);
    await sleep(POLL_MS);
  }
}
