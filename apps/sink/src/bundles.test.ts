import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { eventually, freePort, startOtlpReceiver, startProcess, temporaryDirectory } from '@sink/testing';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';

const execute = promisify(execFile);
const root = fileURLToPath(new URL('../../../', import.meta.url));

const MIB = 1024 * 1024;
/** The memory of an idle sink that no other process shares. Measured: supervisor 26 MiB, with the three services 135. */
const SUPERVISOR_MAX_MIB = 45;
const ALL_MAX_MIB = 185;

/** Node's arguments for the supervisor, from the Dockerfile. */
function supervisorArguments(): readonly string[] {
  const [, entrypoint = '[]'] = /^ENTRYPOINT (\[.*\])$/m.exec(readFileSync(join(root, 'Dockerfile'), 'utf8')) ?? [];
  const words = JSON.parse(entrypoint) as readonly string[];
  return words.filter((word) => word.startsWith('--') && word !== '--');
}

/** A process and its children. */
function family(pid: number): readonly number[] {
  const children = readFileSync(`/proc/${String(pid)}/task/${String(pid)}/children`, 'utf8').trim();
  return [
    pid,
    ...children
      .split(' ')
      .filter(Boolean)
      .flatMap((child) => family(Number(child))),
  ];
}

function anonymousBytes(pid: number): number {
  const [, kilobytes = '0'] =
    /^Pss_Anon: +(\d+) kB$/m.exec(readFileSync(`/proc/${String(pid)}/smaps_rollup`, 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}

/** The image contains these bundles and no node_modules. */
describe('the bundles of the image', () => {
  const dist = temporaryDirectory('dist');
  const program = join(dist, 'sink.js');

  beforeAll(async () => {
    await execute(process.execPath, [join(root, 'tools/build.mjs'), dist]);
  }, 60_000);

  test('are a whole sink: an accepted event is in an object, and its trace exported, when the sink has stopped', async () => {
    const collector = await startOtlpReceiver();
    onTestFinished(() => collector.close());
    const dataDir = temporaryDirectory('bundles');
    const port = await freePort();
    const env = {
      SINK_DATA_DIR: dataDir,
      SINK_PORT: String(port),
      SINK_INGEST_OPS_PORT: String(await freePort()),
      SINK_BATCHER_OPS_PORT: String(await freePort()),
      SINK_UPLOADER_OPS_PORT: String(await freePort()),
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    };
    const args = [...supervisorArguments(), program];
    const sink = await startProcess({ command: process.execPath, args, env, cwd: dist });
    await sink.waitFor(/"msg":"ready|is ready|"post":/, { timeoutMs: 30_000 });
    if (process.platform === 'linux') await takesLittleMemory(sink.pid);
    const answer = await fetch(`http://127.0.0.1:${port}/`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/cloudevents+json' },
      body: '{"specversion":"1.0","id":"1","source":"/bundle","type":"test"}',
    });
    expect(answer.status).toBe(202);
    expect(await sink.kill('SIGTERM')).toEqual({ code: 0, signal: null });

    const objects = join(dataDir, 'objects');
    const files = readdirSync(objects, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.ndjson'),
    );
    expect(files.map((name) => readFileSync(join(objects, name), 'utf8'))).toEqual([
      '{"specversion":"1.0","id":"1","source":"/bundle","type":"test"}\n',
    ]);
    expect(sink.output()).not.toMatch(/"level":"(error|fatal)"/);
    expect(collector.spans.map(({ name }) => name.split(' ')[0]).sort()).toEqual(['POST', 'append', 'seal', 'upload']);
    expect(new Set(collector.spans.map(({ traceId }) => traceId)).size).toBe(1);

    const { stdout } = await execute(process.execPath, [program, 'verify', '--read'], {
      env: { ...process.env, ...env },
    });
    expect(stdout).toMatch(/: 1 object with 1 event .* as their receipts say\n1 object read[^]*OK: nothing is missing/);
  });

  async function takesLittleMemory(supervisor: number): Promise<void> {
    await eventually(
      () => {
        expect(anonymousBytes(supervisor) / MIB).toBeLessThan(SUPERVISOR_MAX_MIB);
        const all = family(supervisor).reduce((sum, pid) => sum + anonymousBytes(pid), 0);
        expect(all / MIB).toBeLessThan(ALL_MAX_MIB);
      },
      { timeoutMs: 20_000 },
    );
  }

  // `script` of util-linux runs a program on a terminal.
  test.runIf(process.platform === 'linux')('write readable lines on a terminal', async () => {
    const env = {
      SINK_DATA_DIR: temporaryDirectory('bundles'),
      SINK_REDIS_URL: 'redis://127.0.0.1:9',
      SINK_BATCHER_OPS_PORT: String(await freePort()),
      SINK_LOG_LEVEL: 'debug',
    };
    const args = ['-qefc', `exec ${process.execPath} ${program} batcher`, '/dev/null'];
    const batcher = await startProcess({ command: 'script', args, env });
    await batcher.waitFor(/DEBUG|INFO|WARN/, { timeoutMs: 20_000 });
    expect(batcher.output()).not.toContain('{"level"');
    await batcher.kill('SIGTERM');
  });

  test.each([
    ['ecs', /^{"@timestamp":"[^\n]*"event":{"dataset":"sink-aws-s3.batcher","code":"config_file"}/m],
    ['pretty', /^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: [^\n]*config/m],
  ])('write lines in the format that log_format names: %s', async (format, line) => {
    const env = {
      SINK_DATA_DIR: temporaryDirectory('bundles'),
      SINK_REDIS_URL: 'redis://127.0.0.1:9',
      SINK_BATCHER_OPS_PORT: String(await freePort()),
      SINK_LOG_FORMAT: format,
    };
    const batcher = await startProcess({ command: process.execPath, args: [program, 'batcher'], env });
    await batcher.waitFor(line, { timeoutMs: 20_000 });
    expect(batcher.output()).not.toContain('{"level"');
    await batcher.kill('SIGTERM');
  });

  test('say the version of the product', async () => {
    const { stdout } = await execute(process.execPath, [program, '--version']);
    const { version } = JSON.parse(readFileSync(join(dist, 'package.json'), 'utf8')) as { version: string };
    expect(stdout.trim()).toBe(version);
  });
});
