import { fileURLToPath } from 'node:url';
import { eventually, freePort, startProcess, temporaryDirectory } from '@sink/testing';
import { expect, test } from 'vitest';

test("tools look into the sink's own Redis, whether it runs or not", { timeout: 60_000 }, async () => {
  const env = {
    ...{ NODE_ENV: 'test', npm_lifecycle_event: undefined, SINK_HOST: '127.0.0.1' },
    SINK_DATA_DIR: temporaryDirectory('tools'),
    SINK_PORT: String(await freePort()),
    SINK_INGEST_OPS_PORT: String(await freePort()),
    SINK_BATCHER_OPS_PORT: String(await freePort()),
    SINK_UPLOADER_OPS_PORT: String(await freePort()),
  };
  const run = async (args: readonly string[]) => {
    const main = fileURLToPath(new URL('./main.ts', import.meta.url));
    const command = await startProcess({ command: process.execPath, args: [main, ...args], env });
    const { code } = await command.exited;
    return { code, output: command.output() };
  };
  const nothing = { code: 0, output: expect.stringContaining('OK: nothing is missing') as string };
  expect(await run(['verify'])).toMatchObject(nothing);

  const sinkMain = fileURLToPath(new URL('./test/sink-main.ts', import.meta.url));
  const sink = await startProcess({ command: process.execPath, args: [sinkMain], env });
  await eventually(() => sink.output().includes('ready: post CloudEvents to'), { timeoutMs: 20_000 });
  expect(await run(['verify'])).toMatchObject(nothing);
  expect(await run(['uploads', 'list'])).toMatchObject({
    code: 0,
    output: expect.stringContaining('0 uploads failed') as string,
  });
  expect((await sink.kill('SIGTERM')).code).toBe(0);
  expect(await run(['uploads', 'retry'])).toMatchObject({ code: 0, output: '0 uploads are tried now\n' });
});

test('without its Redis, a tool says so', async () => {
  const main = fileURLToPath(new URL('./main.ts', import.meta.url));
  const env = { SINK_REDIS_URL: `redis://127.0.0.1:${await freePort()}`, SINK_DATA_DIR: temporaryDirectory('tools') };
  const command = await startProcess({ command: process.execPath, args: [main, 'verify', '--json'], env });
  expect((await command.exited).code).toBe(2);
  expect(JSON.parse(command.output())).toMatchObject({
    ok: null,
    problem: expect.stringContaining('ECONNREFUSED') as string,
  });
});
