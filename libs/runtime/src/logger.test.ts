import { expect, test } from 'vitest';
import { createLogger, type LogFormat } from './logger.ts';

const HELD = 'the store fails or throttles: uploads are on hold';

function setup(secrets: readonly string[] = [], format: LogFormat | null = null) {
  const lines: string[] = [];
  const log = createLogger({
    service: 'uploader',
    level: 'info',
    format,
    secrets,
    destination: { write: (line) => lines.push(line) },
  });
  return { log, lines, last: () => JSON.parse(lines.at(-1) ?? '') as Record<string, unknown> };
}

test('a line is JSON with time, level by name, service and message', () => {
  const { log, last } = setup();
  log.info({ segments: 3 }, 'sealed');
  expect(last()).toMatchObject({ level: 'info', service: 'uploader', segments: 3, msg: 'sealed' });
  expect(last()['time']).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
});

test('fields with secret-looking names are redacted at every depth and in arrays', () => {
  const { log, lines } = setup();
  log.info(
    {
      secretAccessKey: 'hush-1',
      redis: { password: 'hush-2', nodes: [{ Authorization: 'hush-3' }] },
      sessionToken: 'hush-4',
      secret_access_Key: 'hush-5',
    },
    'config',
  );
  expect(lines.join('')).not.toContain('hush');
  expect(lines.join('').match(/\[redacted\]/g)).toHaveLength(5);
});

test('object keys and segment ids are no secrets', () => {
  const { log, last } = setup();
  log.info({ objectKey: '2026/11/a', partition: 'p', tokens: 3, keys: 2 }, 'x');
  expect(last()).toMatchObject({ objectKey: '2026/11/a', partition: 'p', tokens: 3, keys: 2 });
});

test('credentials in URLs are redacted everywhere in a line', () => {
  const { log, lines, last } = setup();
  log.warn({ url: 'rediss://user:pa%40ss@redis:6379/0' }, 'connecting to redis://:hunter2@redis:6379 failed');
  expect(lines.join('')).not.toMatch(/pa%40ss|hunter2/);
  expect(last()).toMatchObject({
    url: 'rediss://[redacted]@redis:6379/0',
    msg: 'connecting to redis://[redacted]@redis:6379 failed',
  });
});

test('an address without credentials, and an @ in other text, stay readable', () => {
  const { log, last } = setup();
  log.info('see http://localhost:8080/a and mail me@example.com');
  expect(last()['msg']).toBe('see http://localhost:8080/a and mail me@example.com');
});

test('errors show code, retryable, remedy and cause, and nothing a client hung onto them', () => {
  const { log, lines, last } = setup();
  const cause = Object.assign(new Error('WRONGPASS'), { command: { name: 'auth', args: ['hush-hush'] } });
  const error = Object.assign(new Error('connecting to Redis', { cause }), {
    code: 'redis_auth',
    retryable: false,
    remedy: 'set redis.password',
    request: { headers: {} },
  });
  log.error({ err: error }, 'start');
  expect(lines.join('')).not.toContain('hush');
  expect(last()['err']).toMatchObject({
    type: 'Error',
    message: 'connecting to Redis',
    code: 'redis_auth',
    retryable: false,
    remedy: 'set redis.password',
    cause: { message: 'WRONGPASS' },
  });
  log.error(cause);
  expect(lines.join('')).not.toContain('hush');
});

test('the secrets of a configuration are redacted by value, escaped or not', () => {
  const secrets = ['wJalr"XUtn/FEMI', 'correct horse', 'battery%20staple', 'battery staple', 'sink'];
  const { log, lines } = setup(secrets);
  log.error(new Error('server said: unknown secret wJalr"XUtn/FEMI'));
  log.info('correct horse');
  log.info({ note: 'battery staple battery%20staple' }, 'sink-aws-s3');
  expect(lines.join('')).not.toMatch(/wJalr|horse|staple/);
  expect(lines.join('')).toContain('sink-aws-s3');
});

test('nothing is logged below the level', () => {
  const { log, lines } = setup();
  log.debug('detail');
  expect(lines).toEqual([]);
});

test('what is thrown and is no error is shown as it is, less its secrets', () => {
  const { log, last } = setup();
  log.error({ err: { code: 'x', password: 'hush' } }, 'failed');
  expect(last()['err']).toEqual({ code: 'x', password: '[redacted]' });
  log.error({ err: 'just text' }, 'failed');
  expect(last()['err']).toBe('just text');
});

test('json is what it always was, byte for byte', () => {
  const { log, lines } = setup();
  log.warn({ holdMs: 5 }, 'uploads are on hold');
  const time = /"time":"([^"]+)"/.exec(lines[0] ?? '')?.[1] ?? '';
  const { pid } = process;
  expect(lines).toEqual([
    `{"level":"warn","time":"${time}","service":"uploader","pid":${pid},"holdMs":5,"msg":"uploads are on hold"}\n`,
  ]);
});

test('ecs names the fields of every line as the schema does, and keeps others apart', () => {
  const { log, lines, last } = setup([], 'ecs');
  log.warn({ holdMs: 5, kind: 'store', code: 'InternalError', trace_id: 'abc' }, HELD);
  expect(lines[0]).toMatch(/^{"@timestamp":"\d{4}-[^"]+Z","log.level":"warn","message":"the store/);
  expect(last()).toMatchObject({
    'ecs.version': '8.17.0',
    service: { name: 'sink-aws-s3-uploader' },
    process: { pid: process.pid },
    event: { dataset: 'sink-aws-s3.uploader', code: 'uploads_held' },
    trace: { id: 'abc' },
    sink: { holdMs: 5, kind: 'store', code: 'InternalError' },
  });
  expect(Object.keys(last())).not.toEqual(expect.arrayContaining(['msg', 'time', 'level']));
});

test('ecs has the code of a text of which a part varies, and none for a text that is unknown', () => {
  const { log, last } = setup([], 'ecs');
  log.info({ failedMs: 1, tries: 2 }, 'lane 3 works again');
  expect(last()['event']).toMatchObject({ code: 'working' });
  log.warn({ kind: 'store' }, 'putting object: 503 SlowDown; the uploader retries it');
  expect(last()['event']).toMatchObject({ code: 'upload_failed' });
  log.warn('the volume of data_dir is small: these defaults are lowered to fit it: receipts_max 1000');
  expect(last()['event']).toMatchObject({ code: 'disk_defaults_lowered' });
  log.info('something else');
  expect(last()['event']).toEqual({ dataset: 'sink-aws-s3.uploader' });
});

test('ecs shows errors under `error`, without secrets as in every format', () => {
  const { log, lines, last } = setup(['correct horse'], 'ecs');
  const cause = new Error('said: correct horse');
  log.error({ err: Object.assign(new Error('putting', { cause }), { code: 403, password: 'hush' }) }, 'failed');
  expect(last()['error']).toMatchObject({ type: 'Error', message: 'putting', code: '403', cause: { type: 'Error' } });
  expect((last()['error'] as { stack_trace: string }).stack_trace).toContain('logger.test.ts');
  log.error({ err: 'just text', redis: 'redis://:hunter2@redis:6379' }, 'failed');
  expect(last()['error']).toEqual({ message: 'just text' });
  expect(lines.join('')).not.toMatch(/horse|hush|hunter2/);
});
