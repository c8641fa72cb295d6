import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startProcess, temporaryDirectory } from '@sink/testing';
import { expect, test } from 'vitest';
import { freePorts } from '../test/free-ports.ts';

const SUPERVISOR = fileURLToPath(new URL('../test/sink-main.ts', import.meta.url));
const SINK = fileURLToPath(new URL('../main.ts', import.meta.url));

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function sinkReload(env: Readonly<Record<string, string>>): Promise<Ended> {
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [SINK, 'reload'], {
      env: { ...process.env, ...env },
    });
    return { code: 0, stdout, stderr };
  } catch (error) {
    return error as Ended;
  }
}

test('`sink reload` says what is in force, what waits and what is refused; services get what is in force, also those that start later', async () => {
  const file = join(temporaryDirectory('reload'), 'sink.yml');
  const dataDir = temporaryDirectory('sink');
  const env = {
    CONNECTOR_CONFIG: file,
    SINK_DATA_DIR: dataDir,
    SINK_HOST: '127.0.0.1',
    ...(await freePorts()),
  };
  writeFileSync(file, 'flush_size: 10\n');
  expect(await sinkReload(env)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(`no sink with its own Redis answers on the data directory ${dataDir} `) as string,
  });

  const sink = await startProcess({ command: process.execPath, args: [SUPERVISOR], env });
  await sink.waitFor(/"ready: post CloudEvents to|is ready|Post CloudEvents/i, { timeoutMs: 20_000 });
  expect(sink.output()).toMatch(/^batcher \d+ starts with {"flush_size":10}$/m);
  expect(await sinkReload(env)).toEqual({ code: 0, stdout: 'No live key has changed.\n', stderr: '' });

  writeFileSync(file, 'flush_size: 20\nlanes: 2\nsink_name: other\n');
  // On a slow machine the sink has looked at the file before.
  expect(await sinkReload(env)).toMatchObject({
    code: 2,
    stdout: expect.stringMatching(
      /^(In force now|No live key has changed since \d+ s\. In force since then):\n {2}flush_size: 20 \(was 10\)\nWaits for a restart:\n {2}sink_name: every process has to agree .*\n {2}lanes: every .*\n$/,
    ) as string,
  });
  for (const service of ['ingest', 'batcher', 'uploader']) {
    expect(sink.output()).toMatch(new RegExp(`^${service} \\d+ takes {"flush_size":20}$`, 'm'));
  }

  writeFileSync(file, 'flush_size: none\nhold_max: x\n');
  const refused = await sinkReload(env);
  expect(refused.code).toBe(78);
  expect(refused.stderr).toMatch(
    /: 2 mistakes\n {2}hold_max: given .*\n {2}flush_size: given .*\nThe configuration in force stays\.\n$/,
  );

  // The file is broken, and the service starts all the same.
  const [, pid = ''] = /^batcher (\d+) started/m.exec(sink.output()) ?? [];
  process.kill(Number(pid), 'SIGKILL');
  await sink.waitFor(new RegExp(`^batcher (?!${pid})\\d+ starts with {"flush_size":20}$`, 'm'));

  writeFileSync(file, 'flush_size: 30\n');
  sink.signal('SIGHUP');
  await sink.waitFor(/^uploader \d+ takes {"flush_size":30}$/m);
  expect(await sink.kill('SIGTERM')).toEqual({ code: 0, signal: null });
}, 60_000);
