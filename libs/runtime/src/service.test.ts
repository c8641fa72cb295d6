import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startProcess } from '@sink/testing';
import type { ManagedProcess } from '@sink/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EXIT_CONFIG, parseArguments } from './service.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sink-runtime-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

async function start(config: string, args: readonly string[] = []): Promise<ManagedProcess> {
  const file = join(directory, 'config.yml');
  await writeFile(file, config);
  return startProcess({
    command: process.execPath,
    args: [join(import.meta.dirname, 'test', 'fixture-service.ts'), '--config', file, ...args],
    cwd: directory,
  });
}

const service = (sinkName: string, more = ''): string =>
  `sink_name: ${sinkName}\nhost: 127.0.0.1\nbatcher_ops_port: 0\nstop_grace: 1\n${more}`;

/** The log lines so far, parsed. */
function logged(child: ManagedProcess): Record<string, unknown>[] {
  return child
    .output()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} stops a service in order, and it exits 0`, async () => {
    const child = await start(service('well-behaved'));
    await child.waitFor(/"started"/);
    expect(logged(child)[0]?.['msg']).toBe(`the configuration file is ${join(directory, 'config.yml')}`);
    expect(await child.kill(signal)).toEqual({ code: 0, signal: null });
    const released = logged(child).find(({ msg }) => msg === 'released bottom');
    expect(released).toMatchObject({ aborted: true, problems: { stopping: 'the service is stopping' } });
  });
}

test('the operations port answers while the service runs, ready only after its start', async () => {
  const child = await start(service('well-behaved'));
  const [, port = ''] = await child.waitFor(/"opsPort":(\d+)/);
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`);
  expect(answer.status).toBe(200);
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  expect(metrics).toContain('process_resident_memory_bytes');
  await child.kill('SIGTERM');
});

test('a wrong configuration prints every mistake to stderr and exits 78', async () => {
  const child = await start('port: 99999999\nflush_size: many\n');
  expect(await child.exited).toEqual({ code: EXIT_CONFIG, signal: null });
  expect(child.output()).toMatch(/port[^]*flush_size|flush_size[^]*port/);
  expect(logged(child)).toEqual([]);
});

test('an unknown argument exits 78 with one line that names it', async () => {
  const child = await start(service('well-behaved'), ['--confg', 'x']);
  expect(await child.exited).toEqual({ code: EXIT_CONFIG, signal: null });
  expect(child.output()).toContain("'--confg'");
});

test.each(['0', '-1', '1.5', '2x', '0x2', ''])('--worker-of "%s" is as wrong as an unknown argument', (given) => {
  expect(() => parseArguments([`--worker-of=${given}`])).toThrow(
    expect.objectContaining({
      code: 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE',
      message: `Option '--worker-of <value>' takes a whole number from 1, not '${given}'`,
    }),
  );
});

test('a wrong number of workers exits 78 with one line that names the argument', async () => {
  const child = await start(service('well-behaved'), ['--worker-of', 'two']);
  expect(await child.exited).toEqual({ code: EXIT_CONFIG, signal: null });
  expect(child.output()).toBe("Option '--worker-of <value>' takes a whole number from 1, not 'two'\n");
});

test('a failed start releases what was opened, says why and exits 1', async () => {
  const child = await start(service('start-fails'));
  expect(await child.exited).toEqual({ code: 1, signal: null });
  expect(child.output()).toContain('batcher: connecting to nothing: it is not there\n');
  expect(logged(child).map(({ msg }) => msg)).toContain('released bottom');
});

test('a signal during a start that hangs stops what was opened and exits 0', async () => {
  const child = await start(service('start-hangs'));
  await child.waitFor(/"hanging"/);
  expect(await child.kill('SIGTERM')).toEqual({ code: 0, signal: null });
  expect(logged(child).map(({ msg }) => msg)).toContain('released bottom');
});

test('a part that hangs is abandoned after the grace period, the rest is released, and the exit code shows it', async () => {
  const child = await start(service('stop-hangs'));
  await child.waitFor(/"started"/);
  expect(await child.kill('SIGTERM')).toEqual({ code: 1, signal: null });
  expect(logged(child).map(({ msg }) => msg)).toContain('released bottom');
});

test('a service that cannot go on stops in order and exits 1', async () => {
  const child = await start(service('fails-later'));
  expect(await child.exited).toEqual({ code: 1, signal: null });
  expect(child.output()).toContain('the lane is gone');
  expect(logged(child).map(({ msg }) => msg)).toContain('released bottom');
});

test('a broken invariant ends the process at once with exit code 1 and a line that says what', async () => {
  const child = await start(service('breaks-later'));
  expect(await child.exited).toEqual({ code: 1, signal: null });
  expect(child.output()).toContain('invariant broken');
});

test('two services on one port: the second reports it and exits 1', async () => {
  const first = await start(service('well-behaved'));
  const [, port = ''] = await first.waitFor(/"opsPort":(\d+)/);
  const second = await start(`sink_name: second\nhost: 127.0.0.1\nbatcher_ops_port: ${port}\n`);
  expect(await second.exited).toEqual({ code: 1, signal: null });
  expect(second.output()).toContain(`batcher: listening on 127.0.0.1:${port}: listen EADDRINUSE`);
  await first.kill('SIGTERM');
});

test('the addresses of --also-ready are a list', () => {
  expect(parseArguments(['--also-ready', 'http://a/readyz,http://b/readyz'])).toEqual({
    configFile: null,
    alsoReady: ['http://a/readyz', 'http://b/readyz'],
    parentReady: null,
    workerOf: null,
  });
  const none = { configFile: null, alsoReady: [], parentReady: null, workerOf: null };
  expect(parseArguments(['--config', 'f.yml'])).toEqual({ ...none, configFile: 'f.yml' });
  expect(parseArguments(['--worker-of', '12'])).toEqual({ ...none, workerOf: 12 });
  expect(parseArguments(['--parent-ready', 'http://p/readyz'])).toEqual({ ...none, parentReady: 'http://p/readyz' });
});
