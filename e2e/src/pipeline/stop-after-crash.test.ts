import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, freePort, type ManagedProcess, startProcess, temporaryDirectory } from '@sink/testing';
import { expect, it } from 'vitest';

const MAIN = join(import.meta.dirname, '../../../apps/sink/src/main.ts');
const EVENTS = 200;

it('a sink that is stopped soon after everything was killed writes out what was open then', async () => {
  const directory = temporaryDirectory('crash');
  const [port, batcherPort] = [await freePort(), await freePort()];
  const start = async (): Promise<ManagedProcess> => {
    const env = {
      // Under npm, the sink announces itself in another form.
      npm_lifecycle_event: undefined,
      SINK_HOST: '127.0.0.1',
      SINK_PORT: String(port),
      SINK_INGEST_OPS_PORT: String(ingestPort),
      SINK_BATCHER_OPS_PORT: String(batcherPort),
      SINK_UPLOADER_OPS_PORT: String(uploaderPort),
      SINK_REDIS_PORT: '0',
      SINK_DATA_DIR: directory,
      // A start on a busy machine takes longer than the default.
      SINK_LEASE: '60s',
    };
    const sink = await startProcess({ command: process.execPath, args: [MAIN], env });
    await sink.waitFor(/ready: post CloudEvents to/, { timeoutMs: 60_000 });
    return sink;
  };
  const [ingestPort, uploaderPort] = [await freePort(), await freePort()];

  const first = await start();
  const events = Array.from({ length: EVENTS }, (_, id) => ({
    specversion: '1.0',
    id: `${id}`,
    source: '/s',
    type: 't',
  }));
  const answer = await fetch(`http://127.0.0.1:${port}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/cloudevents-batch+json' },
    body: JSON.stringify(events),
  });
  expect(answer.status).toBe(202);
  await eventually(async () => {
    const metrics = await (await fetch(`http://127.0.0.1:${batcherPort}/metrics`)).text();
    expect(metrics).toMatch(/^sink_open_paths 1$/m);
  });
  for (const pid of treeOf(first.pid)) process.kill(pid, 'SIGKILL');
  await first.exited;

  const second = await start();
  expect(await second.kill('SIGTERM')).toEqual({ code: 0, signal: null });
  expect(second.output()).not.toMatch(/stay in Redis/);
  expect(linesBelow(join(directory, 'objects')).map((line) => (JSON.parse(line) as { id: string }).id)).toEqual(
    events.map(({ id }) => id),
  );
}, 120_000);

/** A process with all that it started, itself first. */
function treeOf(root: number): number[] {
  const rows = execFileSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n');
  const parents = new Map(rows.map((row) => row.trim().split(/\s+/).map(Number) as [number, number]));
  const tree = [root];
  for (const parent of tree) for (const [pid, ppid] of parents) if (ppid === parent) tree.push(pid);
  return tree;
}

function linesBelow(directory: string): string[] {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.includes('eventing-'),
  );
  return names.flatMap((name) => readFileSync(join(directory, name), 'utf8').trimEnd().split('\n'));
}
