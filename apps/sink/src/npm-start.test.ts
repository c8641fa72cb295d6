import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { eventually, type ManagedProcess, startProcess, temporaryDirectory } from '@sink/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { freePorts } from './test/free-ports.ts';
import { type RunningProcess, runningProcesses } from './test/processes.ts';

const execute = promisify(execFile);
const root = fileURLToPath(new URL('../../../', import.meta.url));

async function environment(dataDir: string): Promise<Record<string, string>> {
  return {
    NODE_ENV: 'production',
    SINK_DATA_DIR: dataDir,
    ...(await freePorts()),
  };
}

/** Without a registry: an unchanged checkout needs none. */
function npmStart(env: Readonly<Record<string, string>>, args: readonly string[] = []): Promise<ManagedProcess> {
  const offline = { npm_config_registry: 'http://127.0.0.1:9/', npm_config_loglevel: 'notice' };
  return startProcess({ command: 'npm', args: ['start', '--', ...args], cwd: root, env: { ...env, ...offline } });
}

/** Processes that have this data directory in their environment or among their arguments. */
function processesOf(dataDir: string): readonly RunningProcess[] {
  return runningProcesses().filter(({ text }) => text.includes(dataDir));
}

describe('npm start', () => {
  beforeAll(async () => {
    // `npm start` would install dependencies that are not current, under all other tests of this checkout.
    await execute(process.execPath, [join(root, 'tools/setup.mjs'), 'check']);
  });

  test('prints where to post; a SIGTERM to npm stops everything, after the accepted event is stored in an object', async () => {
    const dataDir = temporaryDirectory('npm-start');
    const npm = await npmStart(await environment(dataDir));
    const [, curl = ''] = await npm.waitFor(/For example:\s+(curl .*)\n/, { timeoutMs: 30_000 });
    const [, folder = ''] = await npm.waitFor(/Objects appear in\s+(\S+)/);

    // Sends what the printed command sends; the machine may have no curl.
    const [, url = '', type = '', body = ''] = /^curl -i (\S+) -H 'Content-Type: (\S+)' -d '(.*)'$/.exec(curl) ?? [];
    const answer = await fetch(url, { method: 'POST', headers: { 'Content-Type': type }, body });
    expect(answer.status).toBe(202);
    // The interval is a minute, so that only the stop writes this object.
    expect(await npm.kill('SIGTERM')).toMatchObject({ signal: null });
    await eventually(() => expect(processesOf(dataDir)).toEqual([]));

    const [object = '', ...others] = readdirSync(folder);
    expect(others).toEqual([]);
    const event: unknown = JSON.parse(readFileSync(join(folder, object), 'utf8'));
    expect(event).toMatchObject({ id: '1', source: '/hello', data: { hello: 'world' } });
    expect(npm.output()).not.toMatch(/install|"level":"(error|fatal)"/);
  });

  test('-- check explains the configuration and says that Redis and the bucket work', async () => {
    const npm = await npmStart(await environment(temporaryDirectory('npm-start')), ['check']);
    expect((await npm.exited).code).toBe(0);
    expect(npm.output()).toMatch(/^Redis: ok: .*7\.\d+|^Redis: ok: .*[89]\.\d+/m);
    expect(npm.output()).toMatch(/^Bucket: ok: /m);
  });

  test('exits with the code of the sink when the configuration is wrong, and prints each mistake', async () => {
    const env = await environment(temporaryDirectory('npm-start'));
    const npm = await npmStart({ ...env, SINK_FLUSH_SIZE: 'many', SINK_TIME_INTERVAL: 'WEEKLY' });
    expect((await npm.exited).code).toBe(78);
    expect(npm.output()).toMatch(/flush_size: given "many"[\s\S]*time_interval: given "WEEKLY"/);
  });

  test('-- uploader runs that service in the same process, which stops at SIGTERM', async () => {
    const env = await environment(temporaryDirectory('npm-start'));
    const npm = await npmStart({ ...env, SINK_REDIS_URL: 'redis://127.0.0.1:9' }, ['uploader']);
    await eventually(
      async () => {
        const answer = await fetch(`http://localhost:${env['SINK_UPLOADER_OPS_PORT'] ?? ''}/readyz`);
        expect(answer.status).toBe(503);
      },
      { timeoutMs: 20_000 },
    );
    await npm.kill('SIGTERM');
    await eventually(() => expect(processesOf(env['SINK_DATA_DIR'] ?? '')).toEqual([]));
  });
});
