import { expect, test } from 'vitest';
import { type LivePath, livePaths } from './changes.ts';
import type { Environment } from './environment.ts';
import { ConfigInForce } from './in-force.ts';
import { memberName, type SettingPath } from './settings.ts';

const AT = '/etc/sink.yml';

/** A configuration file that can be changed, and others beside it. */
class Files {
  readonly texts = new Map<string, string>();

  constructor(text: string, others: Readonly<Record<string, string>> = {}) {
    for (const [path, content] of Object.entries({ [AT]: text, ...others })) this.texts.set(path, content);
  }

  load(env: Environment = {}): ConfigInForce {
    return new ConfigInForce({
      file: AT,
      env: { HOME: '/nowhere', ...env },
      readText: (path) => {
        const text = this.texts.get(path);
        return text === undefined ? 'missing' : { text };
      },
    });
  }

  write(text: string): void {
    this.texts.set(AT, text);
  }
}

test('a live key is in force at once, also in settings that a component keeps; a restart key waits', () => {
  const files = new Files('flush_size: 10\nport: 8081\n');
  const inForce = files.load();
  const settings = inForce.settings(({ flushSize, port }) => ({ flushSize, port, twice: flushSize * 2 }));
  files.write('flush_size: "20"\nport: 8082\nlanes: 2\n');
  expect(inForce.reload()).toEqual({
    kind: 'applied',
    changed: [{ key: 'flush_size', before: '10', after: '20' }],
    pendingRestart: ['port', 'lanes'],
  });
  expect(settings).toEqual({ flushSize: 20, port: 8081, twice: 40 });
  expect(inForce.config).toMatchObject({ flushSize: 20, port: 8081, lanes: 1 });
  expect(Object.isFrozen(inForce.config)).toBe(true);

  files.write('port: 8081\n');
  expect(inForce.reload()).toEqual({
    kind: 'applied',
    changed: [{ key: 'flush_size', before: '20', after: 'its default' }],
    pendingRestart: [],
  });
  expect(settings.flushSize).toBe(1000);
});

/** Each with another value than its default. */
const OTHERS: Readonly<Record<LivePath, unknown>> = {
  max_body_bytes: '1MiB',
  max_in_flight_bytes: '32MiB',
  keep_alive_timeout: '50s',
  attribute_encoding: 'raw',
  malformed_json: 'refuse',
  on_invalid: 'quarantine',
  quarantine_max_bytes: '2MiB',
  quarantine_max_per_second: 7,
  lenient_content_type: true,
  hold_max: '1s',
  producers: '[{name: a, bearer: {tokens: t}}]',
  webhook_allowed_origins: 'example.com',
  validate: 'known',
  on_registry_away: 'refuse',
  'schemas.directories': '[/etc/schemas]',
  'schemas.registries': '[{kind: xregistry, url: "http://r.example"}]',
  'schemas.allow_hosts': 'schemas.example.com',
  compression: 'gzip',
  compression_level: 9,
  multipart_above: '10MiB',
  sse: 'aws:kms:dsse',
  sse_kms_key_id: 'alias/events',
  sse_bucket_key: true,
  storage_class: 'STANDARD_IA',
  acl: 'private',
  tags: '{team: x}',
  metadata: '{team: x}',
  object_lock_mode: 'COMPLIANCE',
  object_lock_for: '24h',
  expected_bucket_owner: '"012345678901"',
  requester_pays: true,
  cache_control: 'no-store',
  manifest_after: '2h',
  upload_concurrency: 2,
  upload_timeout: '1m',
  flush_size: 7,
  flush_bytes: '1MiB',
  target_object_size: '16MiB',
  scheduled_interval: 7,
  idle_interval: 5,
  max_open_files: 3,
  max_open_bytes: '2MiB',
  lease: '7s',
  log_level: 'warn',
};

/** Members whose default depends on a key. */
const FOLLOWING: Partial<Record<SettingPath, readonly string[]>> = { target_object_size: ['flushSize', 'flushBytes'] };

test('every live key reaches the configuration, and none of them takes a member along that does not follow from it', () => {
  for (const path of livePaths) {
    const base = { compression: 'zstd', sse: 'aws:kms' };
    const files = new Files(JSON.stringify(base));
    const inForce = files.load();
    const before = inForce.config;
    const others = Object.entries(base).map(([key, value]) => (key === path ? '' : `${key}: ${value}\n`));
    files.write(
      `${others.join('')}${path}: ${String(OTHERS[path])}\nsink_name: other\nredis: {url: "redis://other"}\n`,
    );
    expect(inForce.reload(), path).toMatchObject({ changed: [{ key: path }] });
    const changed = Object.keys(inForce.config).filter(
      (name) => Reflect.get(inForce.config, name) !== Reflect.get(before, name),
    );
    expect(changed, path).toEqual([...(FOLLOWING[path] ?? []), memberName(path)]);
  }
});

test('a file with mistakes is refused as a whole with all of them, and the configuration in force stays', () => {
  const files = new Files('flush_size: 10\n');
  const inForce = files.load();
  const before = inForce.config;
  let renewed = 0;
  inForce.onChange(() => void (renewed += 1));
  for (const text of ['flush_size: 0\nport: x\nhold_max: 1s\n', 'a: [', '{}\n---\n{}']) {
    files.write(text);
    const reloaded = inForce.reload();
    expect(reloaded.kind).toBe('rejected');
    expect(inForce.config).toBe(before);
    expect(inForce.rejected.length).toBeGreaterThan(0);
  }
  files.write('flush_size: 0\nport: x\nhold_max: 1s\n');
  expect(inForce.reload()).toMatchObject({ problems: [{ key: 'port' }, { key: 'flush_size' }] });
  files.write('flush_size: 20\n');
  expect(inForce.reload().kind).toBe('applied');
  expect(inForce.rejected).toEqual([]);
  expect(inForce.counts).toEqual({ applied: 1, rejected: 4 });
  expect(renewed).toBe(5);
});

test('a file that is gone is refused: it is no wish for all defaults', () => {
  const at = '/vance/config/config.json';
  const files = new Files('', { [at]: '{"flushSize": "10"}' });
  files.texts.delete(AT);
  const inForce = new ConfigInForce({
    env: {},
    readText: (path) => {
      const text = files.texts.get(path);
      return text === undefined ? 'missing' : { text };
    },
  });
  files.texts.delete(at);
  expect(inForce.reload()).toMatchObject({ kind: 'rejected', problems: [{ key: at }] });
  expect(inForce.config.flushSize).toBe(10);
});

test('the environment overrides the file still', () => {
  const files = new Files('flush_size: 10\nhold_max: 1s\n');
  const inForce = files.load({ SINK_FLUSH_SIZE: '5' });
  files.write('flush_size: 20\nhold_max: 2s\n');
  expect(inForce.reload()).toMatchObject({ changed: [{ key: 'hold_max' }], pendingRestart: [] });
  expect(inForce.config).toMatchObject({ flushSize: 5, holdMaxMs: 2000 });
});

test('what is only written in another way has not changed', () => {
  const files = new Files('flush_bytes: 1MiB\nscheduled_interval: 60\nflushSize: "7"\nhold_max: ${HOLD}\n');
  const inForce = files.load({ HOLD: '2s' });
  files.write('flush_bytes: 1048576\nscheduled_interval: 1m\nflush_size: 7\nport: 8080\nhold_max: 2000ms\n');
  expect(inForce.reload()).toEqual({ kind: 'applied', changed: [], pendingRestart: [] });
});

test('keys are held against what is in force, and not against values that wait for a restart', () => {
  const files = new Files('ingest: {workers: 4}\nmax_body_bytes: 16MiB\n');
  const inForce = files.load();
  files.write('ingest: {workers: 1}\nmax_body_bytes: 64MiB\n');
  expect(inForce.reload()).toEqual({
    kind: 'rejected',
    problems: [
      {
        key: 'max_in_flight_bytes',
        given: 'nothing',
        allowed:
          'at least max_body_bytes for each of ingest.workers, together with the values in force of ingest.workers: restart the sink instead',
      },
    ],
  });
  expect(inForce.config.maxBodyBytes).toBe(16 * 1024 * 1024);
});

test('what a file of a secret contains is no change; another path waits for a restart, and no secret is told', () => {
  const url = 'redis: {url: "redis://h", password_file: /secret}\n';
  const files = new Files(`${url}flush_size: 10\n`, { '/secret': 'hunter2', '/secret2': 'hunter3' });
  const inForce = files.load();
  files.texts.set('/secret', 'hunter4');
  files.write(`${url}flush_size: 20\n`);
  expect(inForce.reload()).toMatchObject({ changed: [{ key: 'flush_size' }], pendingRestart: [] });
  files.write(url.replace('/secret', '/secret2'));
  const reloaded = inForce.reload();
  expect(reloaded).toMatchObject({ pendingRestart: ['redis.password_file'] });
  files.write('redis: {url: "redis://h", password: hunter5}\nport: x\n');
  expect(JSON.stringify([reloaded, inForce.reload(), inForce.handed()])).not.toMatch(/hunter/);
});

test('keys that are planned with a small volume wait for a restart', () => {
  const files = new Files('flush_size: 10\n');
  const inForce = files.load();
  inForce.keepUntilRestart(['max_body_bytes']);
  files.write('flush_size: 10\nmax_body_bytes: 1MiB\n');
  expect(inForce.reload()).toEqual({ kind: 'applied', changed: [], pendingRestart: ['max_body_bytes'] });
  expect(inForce.config.maxBodyBytes).toBe(16 * 1024 * 1024);
});

test('a process that is started gets what is in force, whatever the file says by then', () => {
  const env = { A: '5', SINK_PORT: '8081' };
  const files = new Files('flush_size: ${A}\nprefix: "$${A}/"\nsink_name: one\nredis: {url: "redis://h"}\n');
  const parent = files.load(env);
  files.write('flush_size: 6\nprefix: "$${A}/"\nsink_name: two\nredis: {url: "redis://h"}\n');
  parent.reload();
  files.write('a: [');
  parent.reload();

  const handed = structuredClone(parent.handed());
  const child = new ConfigInForce({ env: { ...env, SINK_PORT: '8082' } }, handed);
  expect(child.config).toMatchObject({ flushSize: 6, prefix: '${A}/', sinkName: 'one', port: 8082, configFile: AT });
  expect(child.pendingRestart).toEqual(['sink_name']);
  expect(child.rejected).toEqual(parent.rejected);

  files.write('flush_size: 7\nprefix: "$${A}/"\nsink_name: one\nredis: {url: "redis://h"}\n');
  parent.reload();
  const settings = child.settings(({ flushSize }) => ({ flushSize }));
  child.take(structuredClone(parent.handed()));
  expect(settings.flushSize).toBe(7);
  expect([child.pendingRestart, child.rejected]).toEqual([[], []]);
});

test('a changed text is noticed until it was read', () => {
  const files = new Files('flush_size: 10\n');
  const inForce = files.load();
  expect(inForce.changedText()).toBeNull();
  files.write('flush_size: 20\n');
  expect(inForce.changedText()).toContain('flush_size: 20');
  inForce.reload();
  expect(inForce.changedText()).toBeNull();
});
