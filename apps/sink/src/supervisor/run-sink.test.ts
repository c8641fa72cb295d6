import { chmodSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BatcherLane, IngestLane, IoredisPort } from '@sink/lane';
import { eventually, type ManagedProcess, startProcess, temporaryDirectory } from '@sink/testing';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { processCommand } from '../own-redis/process-identity.ts';
import { readLastRedis } from '../own-redis/redis-conf.ts';
import { runningProcesses } from '../test/processes.ts';
import { freePorts } from '../test/free-ports.ts';

const READY = /"msg":"ready: post CloudEvents to/;

interface Setup {
  readonly dataDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A data directory and ports of its own. The same setup can be started again. */
async function setup(env: Readonly<Record<string, string>> = {}): Promise<Setup> {
  const dataDir = temporaryDirectory('sink');
  return {
    dataDir,
    env: {
      NODE_ENV: 'test',
      npm_lifecycle_event: undefined,
      SINK_DATA_DIR: dataDir,
      SINK_HOST: '127.0.0.1',
      ...(await freePorts()),
      ...env,
    },
  };
}

function start({ env }: Setup): Promise<ManagedProcess> {
  const main = fileURLToPath(new URL('../test/sink-main.ts', import.meta.url));
  return startProcess({ command: process.execPath, args: [main], env });
}

async function startReady(given: Setup): Promise<ManagedProcess> {
  const sink = await start(given);
  await sink.waitFor(READY, { timeoutMs: 20_000 });
  return sink;
}

function pidsOf(sink: ManagedProcess, service: string): readonly number[] {
  return [...sink.output().matchAll(new RegExp(`^${service} (\\d+) started`, 'gm'))].map(([, pid]) => Number(pid));
}

function redisPid({ dataDir }: Setup): number {
  const last = readLastRedis(join(dataDir, 'redis'));
  if (last === null) throw new Error('there is no redis.conf');
  return Number(readFileSync(last.pidFile, 'utf8'));
}

/** Lane 0 of the sink that runs. */
async function laneOf({
  dataDir,
}: Setup): Promise<{ batcher: BatcherLane; ingest: IngestLane; disconnect: () => void }> {
  const last = readLastRedis(join(dataDir, 'redis'));
  if (last === null) throw new Error('there is no redis.conf');
  const client = new Redis({ port: last.port, password: last.password, retryStrategy: null });
  await once(client, 'ready');
  const port = new IoredisPort(client);
  return {
    batcher: new BatcherLane(port, 'sink-aws-s3', 0),
    ingest: new IngestLane(port, 'sink-aws-s3', 0),
    disconnect: () => client.disconnect(),
  };
}

const isGone = (pid: number): boolean => processCommand(pid) === null;

async function allGone(pids: readonly number[]): Promise<void> {
  await eventually(() => expect(pids.filter((pid) => !isGone(pid))).toEqual([]), { timeoutMs: 15_000 });
}

function everyPid(sink: ManagedProcess): readonly number[] {
  return ['ingest', 'batcher', 'uploader'].flatMap((service) => pidsOf(sink, service));
}

/** The services that got a SIGTERM and those that stopped, in order. */
function stopping(sink: ManagedProcess): readonly string[] {
  return [...sink.output().matchAll(/^(\w+) \d+ (got SIGTERM|stopped)$/gm)].map(([, who, what]) => `${who} ${what}`);
}

describe('the sink as one', () => {
  test('stops ingest, batcher, uploader and Redis in this order, each after the one before has exited', async () => {
    const given = await setup({ SCRIPT_INGEST: 'slow', SCRIPT_BATCHER: 'slow' });
    const sink = await startReady(given);
    expect(sink.output().split('\n')[0]).toContain('"msg":"no configuration file was read: ');
    const redis = redisPid(given);
    expect(await sink.kill('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(stopping(sink)).toEqual([
      'ingest got SIGTERM',
      'ingest stopped',
      'batcher got SIGTERM',
      'batcher stopped',
      'uploader got SIGTERM',
      'uploader stopped',
    ]);
    expect(isGone(redis)).toBe(true);
    await allGone(everyPid(sink));
  });

  test('gives each service its configuration file, its Redis and a share of the grace, and ingest the addresses of the others', async () => {
    const given = await setup({ SINK_OPS_HOST: 'localhost' });
    const sink = await startReady(given);
    const output = sink.output();
    expect(output).toMatch(/^batcher \d+ started \["--config","sink.yml"\] grace=14250ms$/m);
    const also = [given.env['SINK_BATCHER_OPS_PORT'], given.env['SINK_UPLOADER_OPS_PORT']]
      .map((port) => `http://localhost:${port ?? ''}/readyz`)
      .join(',');
    expect(output).toContain(`started ["--config","sink.yml","--also-ready","${also}"] grace=7125ms`);
    const urls = [...output.matchAll(/redis (redis:\/\/:[0-9a-f]{48}@127\.0\.0\.1:\d+)$/gm)].map(([, url]) => url);
    expect(urls).toHaveLength(3);
    expect(new Set(urls).size).toBe(1);
    await sink.kill('SIGTERM');
  });

  test('restarts a service and its Redis when they die', async () => {
    const given = await setup();
    const sink = await startReady(given);
    const [batcher = 0] = pidsOf(sink, 'batcher');
    const redis = redisPid(given);
    process.kill(batcher, 'SIGKILL');
    process.kill(redis, 'SIGKILL');
    await eventually(
      () => {
        expect(pidsOf(sink, 'batcher')).toHaveLength(2);
        const now = redisPid(given);
        expect(now).not.toBe(redis);
        expect(processCommand(now)).toContain('127.0.0.1:');
      },
      { timeoutMs: 30_000 },
    );
    expect(pidsOf(sink, 'ingest')).toHaveLength(1);
    expect((await sink.kill('SIGTERM')).code).toBe(0);
    await allGone([...everyPid(sink), redisPidOrZero(given)].filter((pid) => pid !== 0));
  });

  test('kills a service that does not stop in its share of the grace, stops the others in order, and exits with 1', async () => {
    const sink = await startReady(await setup({ SINK_STOP_GRACE: '3s', SCRIPT_BATCHER: 'stubborn' }));
    expect(await sink.kill('SIGTERM')).toEqual({ code: 1, signal: null });
    expect(sink.output()).toMatch(/"process":"batcher".*did not stop in time/);
    expect(stopping(sink).slice(-2)).toEqual(['uploader got SIGTERM', 'uploader stopped']);
    await allGone(everyPid(sink));
  });

  test('counts the two SIGINT of one Ctrl-C under npm as one, and stops at once at a later one', async () => {
    const given = await setup({ SCRIPT_INGEST: 'stubborn' });
    const sink = await startReady(given);
    const redis = redisPid(given);
    sink.signal('SIGINT');
    sink.signal('SIGINT');
    await sink.waitFor(/ingest \d+ got SIGTERM/);
    // After this time a SIGINT counts as another Ctrl-C.
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(isGone(sink.pid)).toBe(false);
    expect(await sink.kill('SIGINT')).toEqual({ code: 130, signal: null });
    await allGone([...everyPid(sink), redis]);
  });

  test('announces that events are taken while another service has a problem, names it, and says when all is ready', async () => {
    const sink = await startReady(await setup({ SCRIPT_UPLOADER: 'troubled' }));
    const lines = sink.output().split('\n');
    const taking = lines.findIndex((line) => line.includes('"problems":["uploader bucket: no such bucket"]'));
    expect(lines[taking]).toMatch(/"level":"warn".*not everything works yet: events are taken at/);
    expect(lines.findIndex((line) => READY.test(line))).toBeGreaterThan(taking);
    expect((await sink.kill('SIGTERM')).code).toBe(0);
  });

  test('exits with the code of a service that finds its configuration wrong', async () => {
    const sink = await start(await setup({ SCRIPT_UPLOADER: 'misconfigured' }));
    expect(await sink.exited).toEqual({ code: 78, signal: null });
    await allGone(everyPid(sink));
  });

  test('leaves no process running when it is killed: the services stop, then Redis', async () => {
    const given = await setup({ SCRIPT_BATCHER: 'slow' });
    const sink = await startReady(given);
    const redis = redisPid(given);
    const pids = everyPid(sink);
    await sink.kill('SIGKILL');
    await allGone([...pids, redis]);
    expect(sink.output().match(/got disconnect/g)).toHaveLength(3);
  });

  test('after a SIGKILL of everything but its Redis, the next start stops that Redis first and loads its file', async () => {
    const given = await setup();
    const first = await startReady(given);
    const redis = redisPid(given);
    // The shell that would stop Redis has the pid file as its argument.
    const watchers = watchersOf(given);
    for (const pid of [...watchers, first.pid, ...everyPid(first)]) process.kill(pid, 'SIGKILL');
    await first.exited;
    await allGone(everyPid(first));
    expect(isGone(redis)).toBe(false);

    const second = await startReady(given);
    expect(second.output()).toContain('stopping a Redis of an earlier sink');
    expect(isGone(redis)).toBe(true);
    expect((await second.kill('SIGTERM')).code).toBe(0);
  });

  test('after everything was killed, no lease of a dead batcher delays the next; the last line says what stays in Redis', async () => {
    const given = await setup();
    const first = await startReady(given);
    const before = await laneOf(given);
    await before.batcher.open('uid');
    const writer = await before.ingest.registerWriter('nonce');
    const chunk = { route: '_default', path: '2026/11/23/10', count: 3, body: '{}\n{}\n{}\n', bytes: 9 };
    const append = { writer, sequence: 1, entries: [chunk] };
    await before.ingest.append({ ...append, furtherBytes: 0, acceptedAtMs: 1, backlogBytesMax: 1e6 });
    await before.batcher.takeLease('b-dead', 600_000);
    await before.batcher.read('b-dead', 10, 0);
    before.disconnect();
    for (const pid of [first.pid, ...everyPid(first), redisPid(given)]) process.kill(pid, 'SIGKILL');
    await first.exited;

    const second = await startReady(given);
    const after = await laneOf(given);
    expect(await after.batcher.leaseExists('b-dead')).toBe(false);
    expect(await after.batcher.claim('b-dead', 'b-second')).toEqual({ kind: 'removed', chunks: 1 });
    await after.batcher.takeLease('b-second', 600_000);
    for (const pid of pidsOf(second, 'batcher')) process.kill(pid, 'SIGKILL');
    await eventually(async () => expect(await after.batcher.leaseExists('b-second')).toBe(false));
    after.disconnect();
    expect(await second.kill('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(second.output().trimEnd().split('\n').at(-1)).toContain(
      '3 events stay in Redis: the next start uploads them',
    );
  });

  test('starts at once after it was killed, while its old services are still stopping', async () => {
    const given = await setup({ SCRIPT_INGEST: 'slow', SCRIPT_UPLOADER: 'slow' });
    const first = await startReady(given);
    await first.kill('SIGKILL');
    const second = await startReady(given);
    expect((await second.kill('SIGTERM')).code).toBe(0);
    await allGone([...everyPid(first), ...everyPid(second)]);
  });

  test('lets no other user read its Redis, not even what an earlier release left open; a group given by setgid keeps its access', async () => {
    const given = await setup();
    const first = await startReady(given);
    await first.kill('SIGTERM');
    const directory = join(given.dataDir, 'redis');
    expect(modesBelow(directory)).toEqual(['600', '700']);

    for (const path of [directory, ...pathsBelow(directory)]) chmodSync(path, statSync(path).isFile() ? 0o644 : 0o755);
    const second = await startReady(given);
    expect(pathsBelow(directory).join()).toMatch(/sink\.lock.*incr\.aof|incr\.aof.*sink\.lock/);
    expect(modesBelow(directory)).toEqual(['600', '700']);
    await second.kill('SIGTERM');

    const shared = await setup();
    chmodSync(shared.dataDir, 0o2770);
    for (const modes of [
      ['2770', '640', '660'], // redis-server makes its file without write access for the group
      ['2770', '660'],
    ]) {
      const third = await startReady(shared);
      expect(modesBelow(join(shared.dataDir, 'redis'))).toEqual(modes);
      await third.kill('SIGTERM');
    }
  });

  test('refuses a data directory that another sink uses', async () => {
    const given = await setup();
    const first = await startReady(given);
    const other = await setup();
    const second = await start({ dataDir: given.dataDir, env: { ...other.env, SINK_DATA_DIR: given.dataDir } });
    expect((await second.exited).code).toBe(1);
    expect(second.output()).toContain(`data_dir_in_use: another sink (process ${String(first.pid)}) is running`);
    expect((await first.kill('SIGTERM')).code).toBe(0);
  });

  test('names in one line the port that is taken and the key that sets it', async () => {
    const given = await setup();
    const taken = createServer().listen(Number(given.env['SINK_BATCHER_OPS_PORT']), '127.0.0.1');
    await once(taken, 'listening');
    const sink = await start(given);
    expect((await sink.exited).code).toBe(1);
    expect(sink.output()).toMatch(/^port_taken: port \d+ is taken by another program: .*batcher_ops_port/m);
    taken.close();
  });

  test('says in one line that redis-server is missing', async () => {
    const sink = await start(await setup({ SINK_REDIS_SERVER: '/nowhere/redis-server' }));
    expect((await sink.exited).code).toBe(1);
    expect(sink.output()).toMatch(/^no_redis_server: .*install redis-server 7\.0 or newer/m);
  });

  test('stops in order before it is ready', async () => {
    const given = await setup();
    const sink = await start(given);
    await sink.waitFor(/batcher \d+ started/, { timeoutMs: 20_000 });
    expect((await sink.kill('SIGTERM')).signal).toBeNull();
    await allGone(everyPid(sink));
  });
});

function pathsBelow(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((name) => join(directory, name));
}

/** The different modes of a directory and all that is in it; redis-server's pid file, a number, does not count. */
function modesBelow(directory: string): readonly string[] {
  const paths = [directory, ...pathsBelow(directory)].filter((path) => !path.endsWith('.pid'));
  return [...new Set(paths.map((path) => (statSync(path).mode & 0o7777).toString(8)))].sort();
}

function redisPidOrZero(given: Setup): number {
  try {
    return redisPid(given);
  } catch {
    return 0;
  }
}

/** The shells that wait to stop this Redis. */
function watchersOf(given: Setup): readonly number[] {
  const pidFile = readLastRedis(join(given.dataDir, 'redis'))?.pidFile ?? '';
  const watchers = runningProcesses().filter(({ text }) => text.includes('read -r _') && text.includes(pidFile));
  expect(watchers).toHaveLength(1);
  return watchers.map(({ pid }) => pid);
}
