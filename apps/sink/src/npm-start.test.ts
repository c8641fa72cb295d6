import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { eventually, freePort, type ManagedProcess, startProcess, temporaryDirectory } from '@sink/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { type RunningProcess, runningProcesses } from './test/processes.ts';

const execute = promisify(execFile);
const root = fileURLToPath(new URL('../../../', import.meta.url));

async function environment(dataDir: string): Promise<Record<string, string>> {
  return {
    NODE_ENV: 'production',
    SINK_DATA_DIR: dataDir,
    SINK_PORT: String(await freePort()),
    SINK_INGEST_OPS_PORT: String(await freePort()),
    SINK_BATCHER_OPS_PORT: String(await freePort()),
    SINK_UPLOADER_OPS_PORT: String(await freePort()),
  };
}

/** With nothing that asks a registry: an unchanged checkout needs none. */
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
    // It would install them, underneath everything that runs from this checkout.
    await execute(process.execPath, [join(root, 'tools/setup.mjs'), 'check']);
  });

  test('says where to post; SIGTERM to npm stops all, and what was accepted is in an object by then', async () => {
    const dataDir = temporaryDirectory('npm-start');
    const npm = await npmStart(await environment(dataDir));
    const [, curl = ''] = await npm.waitFor(/For example:\s+(curl .*)\n/, { timeoutMs: 30_000 });
    const [, folder = ''] = await npm.waitFor(/Objects appear in\s+(\S+)/);

    // What a reader pastes, without the curl that a bare machine may lack.
    const [, url = '', type = '', body = ''] = /^curl -i (\S+) -H 'Content-Type: (\S+)' -d '(.*)'$/.exec(curl) ?? [];
    const answer = await fetch(url, { method: 'POST', headers: { 'Content-Type': type }, body });
    expect(answer.status).toBe(202);
    // The interval is a minute: nothing but the stop writes this object.
    expect(await npm.kill('SIGTERM')).toMatchObject({ signal: null });
    await eventually(() => expect(processesOf(dataDir)).toEqual([]));

    const [object = '', ...others] = readdirSync(folder);
    expect(others).toEqual([]);
    const event: unknown = JSON.parse(readFileSync(join(folder, object), 'utf8'));
    expect(event).toMatchObject({ id: '1', source: '/hello', data: { hello: 'world' } });
    expect(npm.output()).not.toMatch(/install|"level":"(error|fatal)"/);
  });

  test('-- check says what the configuration means and that Redis and bucket will do', async () => {
    const npm = await npmStart(await environment(temporaryDirectory('npm-start')), ['check']);
    expect((await npm.exited).code).toBe(0);
    expect(npm.output()).toMatch(/^Redis: ok: .*7\.\d+|^Redis: ok: .*[89]\.\d+/m);
    expect(npm.output()).toMatch(/^Bucket: ok: /m);
  });

  test('ends with the exit code of the sink when the configuration is wrong, and says each mistake', async () => {
    const env = await environment(temporaryDirectory('npm-start'));
    const npm = await npmStart({ ...env, SINK_FLUSH_SIZE: 'many', SINK_TIME_INTERVAL: 'WEEKLY' });
    expect((await npm.exited).code).toBe(78);
    expect(npm.output()).toMatch(/flush_size: given "many"[\s\S]*time_interval: given "WEEKLY"/);
  });

  test('-- uploader becomes that service: the same process, ended by SIGTERM', async () => {
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
