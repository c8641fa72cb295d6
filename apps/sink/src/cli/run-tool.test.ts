import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BatcherLane, IoredisPort } from '@sink/lane';
import { eventually, freePort, startProcess, startRedis, startS3, temporaryDirectory } from '@sink/testing';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { freePorts } from '../test/free-ports.ts';

test("tools read the sink's own Redis, whether it runs or not", async () => {
  const env = {
    NODE_ENV: 'test',
    npm_lifecycle_event: undefined,
    SINK_HOST: '127.0.0.1',
    SINK_DATA_DIR: temporaryDirectory('tools'),
    ...(await freePorts()),
  };
  const run = async (args: readonly string[]) => {
    const main = fileURLToPath(new URL('../main.ts', import.meta.url));
    const command = await startProcess({ command: process.execPath, args: [main, ...args], env });
    const { code } = await command.exited;
    return { code, output: command.output() };
  };
  const nothing = { code: 0, output: expect.stringContaining('OK: nothing is missing') as string };
  expect(await run(['verify'])).toMatchObject(nothing);

  const sinkMain = fileURLToPath(new URL('../test/sink-main.ts', import.meta.url));
  const sink = await startProcess({ command: process.execPath, args: [sinkMain], env });
  await eventually(() => sink.output().includes('ready: post CloudEvents to'), { timeoutMs: 20_000 });
  expect(await run(['verify'])).toMatchObject(nothing);
  expect(await run(['uploads', 'list'])).toMatchObject({
    code: 0,
    output: expect.stringContaining('0 uploads failed') as string,
  });
  expect((await sink.kill('SIGTERM')).code).toBe(0);
  expect(await run(['uploads', 'retry'])).toMatchObject({ code: 0, output: 'retrying 0 uploads now\n' });
});

test('a tool reports that its Redis is missing', async () => {
  const main = fileURLToPath(new URL('../main.ts', import.meta.url));
  const env = { SINK_REDIS_URL: `redis://127.0.0.1:${await freePort()}`, SINK_DATA_DIR: temporaryDirectory('tools') };
  const command = await startProcess({ command: process.execPath, args: [main, 'verify', '--json'], env });
  expect((await command.exited).code).toBe(2);
  expect(JSON.parse(command.output())).toMatchObject({
    ok: null,
    problem: expect.stringContaining('ECONNREFUSED') as string,
  });
});

test('a verify that is stopped in the middle leaves no temporary files', async () => {
  const [redis, s3] = await Promise.all([
    startRedis(),
    startS3({ bucket: 'events', accessKeyId: 'AKIAFAKE', secretAccessKey: 'secret' }),
  ]);
  const client = new Redis(redis.url);
  try {
    const uid = await new BatcherLane(new IoredisPort(client), 'sink', 0).open('f00d');
    s3.plant(`2026/11/23/10/eventing-${uid}-1-0-0-${'0'.repeat(32)}.ndjson`, Buffer.from('{}\n'));
    const hang = s3.addFault({ match: { operation: 'GetObject' }, effect: { kind: 'hang' } });
    const temporary = temporaryDirectory('verify');
    const main = fileURLToPath(new URL('../main.ts', import.meta.url));
    const env = {
      TMPDIR: temporary,
      SINK_DATA_DIR: temporaryDirectory('tools'),
      SINK_REDIS_URL: redis.url,
      SINK_SINK_NAME: 'sink',
      SINK_BUCKET: 'events',
      SINK_REGION: 'us-east-1',
      SINK_ENDPOINT: s3.url,
      SINK_AWS_ACCESS_KEY_ID: s3.accessKeyId,
      SINK_AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
      SINK_RECEIPTS_MAX: '1000',
    };
    const command = await startProcess({ command: process.execPath, args: [main, 'verify', '--read'], env });
    await eventually(() => s3.faultHits(hang) > 0, { timeoutMs: 15_000 });
    expect(readdirSync(temporary)).toHaveLength(1);
    expect(await command.kill('SIGTERM')).toMatchObject({ code: 2 });
    expect(readdirSync(temporary)).toEqual([]);
  } finally {
    client.disconnect();
    await Promise.all([redis.stop(), s3.stop()]);
  }
});
