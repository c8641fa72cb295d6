import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ManagedProcess, startProcess, temporaryDirectory } from '@sink/testing';
import { expect, test } from 'vitest';

const PROGRAM = join(import.meta.dirname, 'test', 'fixture-service.ts');
const BASE = 'sink_name: well-behaved\nhost: 127.0.0.1\nbatcher_ops_port: 0\nstop_grace: 1\n';

async function start(file: string): Promise<{ service: ManagedProcess; url: string }> {
  const service = await startProcess({ command: process.execPath, args: [PROGRAM, '--config', file] });
  const [, port = ''] = await service.waitFor(/"opsPort":(\d+)/);
  return { service, url: `http://127.0.0.1:${port}` };
}

async function metrics(url: string): Promise<string[]> {
  return (await (await fetch(`${url}/metrics`)).text()).split('\n').filter((line) => line.startsWith('sink_config'));
}

test('a ConfigMap that is swapped is read again by itself; /readyz and the metrics show what waits and what is refused', async () => {
  const directory = temporaryDirectory('configmap');
  let version = 0;
  // As kubelet does: a new directory, and a symlink that is replaced in one step.
  const publish = (text: string): void => {
    version += 1;
    mkdirSync(join(directory, `..${version}`));
    writeFileSync(join(directory, `..${version}`, 'config.yml'), text);
    symlinkSync(`..${version}`, join(directory, '..tmp'));
    renameSync(join(directory, '..tmp'), join(directory, '..data'));
  };
  publish(BASE);
  symlinkSync(join('..data', 'config.yml'), join(directory, 'config.yml'));
  const { service, url } = await start(join(directory, 'config.yml'));

  publish(`${BASE}flush_size: 7\nlanes: 3\nport: 8081\n`);
  await service.waitFor(/"changed":{"flush_size":"7"}.*"msg":"live keys of the configuration have changed"/);
  const waiting = await fetch(`${url}/readyz`);
  expect([waiting.status, await waiting.json()]).toEqual([
    200,
    { ready: true, problems: {}, warnings: { config_pending_restart: 'port, lanes' } },
  ]);
  expect(await metrics(url)).toEqual([
    'sink_config_pending_restart{key="port"} 1',
    'sink_config_pending_restart{key="lanes"} 1',
    'sink_config_rejected 0',
    'sink_config_reloads_total{result="applied"} 1',
    'sink_config_reloads_total{result="rejected"} 0',
  ]);

  publish(`${BASE}flush_size: none\nlog_level: loud\n`);
  await service.waitFor(/"problems":\["flush_size: given .*"log_level: given .*is refused/);
  const refused = (await (await fetch(`${url}/readyz`)).json()) as { warnings: Record<string, string> };
  expect(refused).toMatchObject({ ready: true, problems: {} });
  expect(refused.warnings['config_rejected']).toMatch(/^flush_size: given "none".*; log_level: given "loud"/);
  expect(refused.warnings['config_pending_restart']).toBe('port, lanes');
  expect(await metrics(url)).toContain('sink_config_rejected 1');
  expect(await service.kill('SIGTERM')).toEqual({ code: 0, signal: null });
});

test('SIGHUP without a terminal has the file read again at once, the log level too', async () => {
  const file = join(temporaryDirectory('reload'), 'config.yml');
  writeFileSync(file, BASE);
  const { service, url } = await start(file);
  writeFileSync(file, `${BASE}log_level: error\n`);
  service.signal('SIGHUP');
  await expect.poll(() => metrics(url)).toContain('sink_config_reloads_total{result="applied"} 1');
  writeFileSync(file, `${BASE}log_level: info\nflush_size: 7\n`);
  service.signal('SIGHUP');
  await service.waitFor(/"changed":{"flush_size":"7","log_level":"info"}/);
  expect(service.output()).not.toContain('"log_level":"error"');
  await service.kill('SIGTERM');
});

// `script` of util-linux runs a program on a terminal.
test.runIf(process.platform === 'linux')('SIGHUP of a terminal stops the service in order', async () => {
  const file = join(temporaryDirectory('terminal'), 'config.yml');
  writeFileSync(file, BASE);
  const args = ['-qefc', `exec ${process.execPath} ${PROGRAM} --config ${file} | cat`, '/dev/null'];
  const terminal = await startProcess({ command: 'script', args });
  const [, pid = ''] = await terminal.waitFor(/"pid":(\d+).*"msg":"started"/);
  process.kill(Number(pid), 'SIGHUP');
  await terminal.waitFor(/"msg":"stopped"/);
  expect(terminal.output()).toContain('released bottom');
});
