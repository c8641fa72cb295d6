import { createServer } from 'node:net';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  eventually,
  freePort,
  type ManagedProcess,
  type RedisServer,
  startProcess,
  startRedis,
  temporaryDirectory,
} from '@sink/testing';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis({ args: ['--maxmemory', '256mb'] });
});
afterAll(() => redis.stop());

interface Ingest {
  readonly process: ManagedProcess;
  readonly url: string;
  readonly opsUrl: string;
}

const started: ManagedProcess[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((process) => process.kill('SIGTERM')));
});

async function start(settings: Readonly<Record<string, string>> = {}): Promise<Ingest> {
  const port = settings['SINK_PORT'] ?? String(await freePort());
  const opsPort = String(await freePort());
  const process_ = await startProcess({
    command: process.execPath,
    args: [join(import.meta.dirname, '../main.ts')],
    env: {
      SINK_HOST: '127.0.0.1',
      SINK_OPS_HOST: 'localhost',
      SINK_INGEST_OPS_PORT: opsPort,
      SINK_INGEST_WORKERS: '2',
      SINK_DATA_DIR: temporaryDirectory('workers'),
      SINK_REDIS_URL: redis.url,
      ...settings,
      SINK_PORT: port,
    },
  });
  started.push(process_);
  return { process: process_, url: `http://127.0.0.1:${port}/`, opsUrl: `http://localhost:${opsPort}` };
}

async function startReady(settings: Readonly<Record<string, string>> = {}): Promise<Ingest> {
  const ingest = await start(settings);
  await eventually(() => expect(workerPids(ingest)).toHaveLength(2), { timeoutMs: 20_000 });
  return ingest;
}

/** Of the workers that have begun to take events so far, in that order. */
function workerPids({ process }: Ingest): readonly number[] {
  const lines = process.output().matchAll(/"pid":(\d+),"port":\d+,.*"msg":"taking events"/g);
  return [...lines].map(([, pid]) => Number(pid));
}

/** Over a connection of its own, so that the system may choose any worker. */
async function post({ url }: Ingest, id: string): Promise<number> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json', connection: 'close' },
    body: JSON.stringify({ specversion: '1.0', id, source: '/workers', type: 't' }),
  });
  await response.arrayBuffer();
  return response.status;
}

async function metric({ opsUrl }: Ingest, name: string): Promise<number> {
  const text = await (await fetch(`${opsUrl}/metrics`)).text();
  return Number(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'm').exec(text)?.[1]);
}

const isGone = (pid: number): boolean => !existsSync(`/proc/${pid}`);

describe.runIf(process.platform === 'linux')('several workers', { timeout: 60_000 }, () => {
  test('take events on one port, are counted as one, and stop in order', async () => {
    const ingest = await startReady();
    const statuses = await Promise.all(Array.from({ length: 60 }, (_, id) => post(ingest, `one-${id}`)));
    expect(new Set(statuses)).toEqual(new Set([202]));
    expect(await metric(ingest, 'sink_ingest_events_accepted_total')).toBe(60);
    expect(await metric(ingest, 'sink_ingest_ack_seconds_count')).toBe(60);
    expect(await metric(ingest, 'sink_ingest_workers')).toBe(2);
    // No sum: it says what one 202 rests on.
    expect(await metric(ingest, 'sink_durability_info')).toBe(1);
    for (const address of [ingest.url, `${ingest.opsUrl}/`]) {
      expect(await (await fetch(`${address}readyz`)).json()).toEqual({ ready: true, problems: {} });
      expect((await fetch(`${address}healthz`)).status).toBe(200);
    }
    expect(await ingest.process.kill('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(workerPids(ingest).filter((pid) => !isGone(pid))).toEqual([]);
    expect(ingest.process.output()).not.toMatch(/"level":"(warn|error|fatal)"/);
  });

  test('go on when one of them is killed: it is started again, and no counter falls', async () => {
    const ingest = await startReady();
    // Which worker gets a connection is the system's choice: with sixty, both had some.
    await Promise.all(Array.from({ length: 60 }, (_, id) => post(ingest, `before-${id}`)));
    expect(await metric(ingest, 'sink_ingest_events_accepted_total')).toBe(60);
    const [victim = 0, other = 0] = workerPids(ingest);
    process.kill(victim, 'SIGKILL');
    await eventually(() => expect(isGone(victim)).toBe(true));
    expect(await metric(ingest, 'sink_ingest_events_accepted_total')).toBe(60);
    // The one that starts again gets no connections yet, so it does not make the whole unready.
    expect((await fetch(`${ingest.opsUrl}/readyz`)).status).toBe(200);
    for (let id = 0; id < 20; id++) expect(await post(ingest, `without-${id}`)).toBe(202);
    await eventually(() => expect(workerPids(ingest)).toHaveLength(3), { timeoutMs: 20_000 });
    expect(isGone(other)).toBe(false);
    expect(await metric(ingest, 'sink_ingest_events_accepted_total')).toBe(80);
  });

  test('are not ready, and give the reason, if one of those that take events is not', async () => {
    const ingest = await startReady();
    const [silent = 0] = workerPids(ingest);
    process.kill(silent, 'SIGSTOP');
    const answer = await fetch(`${ingest.opsUrl}/readyz`);
    expect(answer.status).toBe(503);
    expect(Object.values(((await answer.json()) as { problems: object }).problems)).toEqual([
      'no answer within 750 ms',
    ]);
    process.kill(silent, 'SIGCONT');
    await eventually(async () => expect((await fetch(`${ingest.opsUrl}/readyz`)).status).toBe(200));
  });

  test('stop by themselves when their parent is killed, and the next one gets the port', async () => {
    const ingest = await startReady();
    expect(await post(ingest, 'orphan')).toBe(202);
    await ingest.process.kill('SIGKILL');
    const { port } = new URL(ingest.url);
    const next = await startReady({ SINK_PORT: port });
    expect(await post(next, 'next')).toBe(202);
    await eventually(() => expect(workerPids(ingest).filter((pid) => !isGone(pid))).toEqual([]), { timeoutMs: 15_000 });
    expect(ingest.process.output().match(/the parent process has ended/g)).toHaveLength(2);
  });

  test('exit with 78 if the configuration is wrong', async () => {
    const small = await startRedis({ args: ['--maxmemory', '256mb', '--maxmemory-policy', 'allkeys-lru'] });
    const ingest = await start({ SINK_REDIS_URL: small.url });
    expect(await ingest.process.exited).toEqual({ code: 78, signal: null });
    expect(ingest.process.output()).toContain('noeviction');
    await small.stop();
  });

  test('do not join another program on its port', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const address = taken.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const ingest = await start({ SINK_PORT: String(port) });
    expect(await ingest.process.exited).toEqual({ code: 1, signal: null });
    expect(ingest.process.output()).toContain(`listening on 127.0.0.1:${port}: listen EADDRINUSE`);
    taken.close();
  });
});
