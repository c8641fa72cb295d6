import { expect, test } from 'vitest';
import { type ConfigSources, loadConfig } from './load.ts';
import { ConfigError, type ConfigProblem } from './problems.ts';
import { plainConfig, readSettings } from './settings.ts';
import type { SinkConfig } from './sink-config.ts';

type Files = Readonly<Record<string, string>>;
type Given = Omit<Partial<ConfigSources>, 'readText'> & { readonly files?: Files };

const AT = '/etc/sink.yml';

function load({ files = {}, env = {}, ...sources }: Given): SinkConfig {
  return loadConfig({
    env: { HOME: '/nowhere', ...env },
    ...sources,
    readText: (path) => {
      const text = files[path];
      return text === undefined ? 'missing' : { text };
    },
  });
}

function loadText(text: string, more: Given = {}): SinkConfig {
  return load({ file: AT, ...more, files: { [AT]: text, ...more.files } });
}

function problemsOf(given: Given | string): readonly ConfigProblem[] {
  try {
    if (typeof given === 'string') loadText(given);
    else load(given);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

function keysOf(given: Given | string): string[] {
  return problemsOf(given).map(({ key }) => key);
}

const GUIDE = `
port: 8080
aws:
  access_key_id: AKIAIOSFODNN7EXAMPLE
  secret_access_Key: wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
region: "us-west-2"
bucket: "mybucket"
scheduled_interval: 10
`;

test("the original connector's own example works, typo in the key included", () => {
  expect(loadText(GUIDE)).toMatchObject({
    port: 8080,
    bucket: {
      kind: 's3',
      name: 'mybucket',
      region: 'us-west-2',
      forcePathStyle: false,
      credentials: {
        accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
        secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
      },
    },
    scheduledIntervalMs: 10_000,
    flushSize: 1000,
    timeInterval: 'HOURLY',
    redis: null,
  });
});

test('the older JSON configuration works, values as text', () => {
  const json = `{
\t"v_port": "9000", "region": "us-west-2", "bucketName": "mybucket", "flushSize": "500",
\t"scheduledInterval": "30", "timeInterval": "DAILY"
}`;
  expect(load({ files: { '/vance/config/config.json': json } })).toMatchObject({
    port: 9000,
    bucket: { name: 'mybucket', region: 'us-west-2' },
    flushSize: 500,
    scheduledIntervalMs: 30_000,
    timeInterval: 'DAILY',
  });
});

test('without anything given, objects are files below the data directory', () => {
  const config = load({});
  expect(config).toMatchObject({ port: 8080, durability: 'fsync', redis: null, maxBacklogBytes: null, prefix: '' });
  expect(config.dataDir).toBe(`${process.cwd()}/data`);
  expect(config.bucket).toEqual({ kind: 'file', directory: `${process.cwd()}/data/objects` });
  expect(config.flushBytes).toBe(128 * 1024 * 1024);
});

test('with target_object_size, the limits of events and of bytes are as high as they may be, unless they are given', () => {
  const target = 'target_object_size: 256KiB';
  expect(loadText(target)).toMatchObject({
    targetObjectSize: 262_144,
    flushSize: 10_000_000,
    flushBytes: 4 * 1024 ** 3,
  });
  expect(loadText(`${target}\nflush_size: 1000`)).toMatchObject({ flushSize: 1000, flushBytes: 4 * 1024 ** 3 });
  expect(load({}).targetObjectSize).toBeNull();
  expect(problemsOf('target_object_size: 63KiB')).toMatchObject([{ key: 'target_object_size' }]);
});

test('the named file comes before CONNECTOR_CONFIG, that before the places of the original connector', () => {
  const files = {
    '/a.yml': 'port: 1',
    '/b.yml': 'port: 2',
    '/vanus-connect/config/config.yml': 'port: 3',
    '/vanus-connector/config/config.yml': 'port: 4',
  };
  const env = { CONNECTOR_CONFIG: '/b.yml' };
  expect(load({ file: '/a.yml', env, files }).port).toBe(1);
  expect(load({ env, files }).port).toBe(2);
  expect(load({ files }).port).toBe(3);
  expect(load({ files: { '/vanus-connector/config/config.yml': 'port: 4' } }).port).toBe(4);
});

test('a named file that is missing is a mistake, not a reason to look elsewhere', () => {
  const files = { '/vanus-connect/config/config.yml': 'port: 3' };
  expect(problemsOf({ file: '/gone.yml', files })).toMatchObject([{ key: '/gone.yml' }]);
  expect(problemsOf({ env: { CONNECTOR_CONFIG: '/gone.yml' }, files })[0]?.given).toContain('CONNECTOR_CONFIG');
});

test('command line beats environment beats file beats defaults', () => {
  const text = 'port: 1000\nlanes: 2\nflush_size: 3\nredis: { url: "redis://file" }';
  const config = loadText(text, {
    env: { SINK_LANES: '4', SINK_FLUSH_SIZE: '5', SINK_REDIS_URL: 'redis://environment:1' },
    overrides: { flushSize: 6, redis: { url: 'redis://override:2' } },
  });
  expect(config).toMatchObject({ port: 1000, lanes: 4, flushSize: 6 });
  expect(config.redis?.target).toEqual({ kind: 'single', host: 'override', port: 2 });
});

test('a later source replaces a secret by a file and a file by a secret', () => {
  const files = { '/secret': 'from-file\n' };
  const url = 'redis: { url: "redis://h", password: plain }';
  expect(loadText(url, { files, env: { SINK_REDIS_PASSWORD_FILE: '/secret' } }).redis?.password).toBe('from-file');
  const byFile = 'redis: { url: "redis://h", password_file: /secret }';
  expect(loadText(byFile, { files }).redis?.password).toBe('from-file');
  expect(loadText(byFile, { files, env: { SINK_REDIS_PASSWORD: 'plain' } }).redis?.password).toBe('plain');
});

test('a secret beside its file, a missing file and an empty one are mistakes', () => {
  const files = { '/secret': 'x', '/empty': '\n' };
  const both = 'redis: { url: "redis://h", password: plain, password_file: /secret }';
  expect(keysOf({ file: AT, files: { ...files, [AT]: both } })).toEqual(['redis.password']);
  expect(keysOf('redis: { url: "redis://h", username: u, password_file: /gone }')).toEqual(['redis.password_file']);
  const empty = 'redis: { url: "redis://h", password_file: /empty }';
  expect(keysOf({ file: AT, files: { ...files, [AT]: empty } })).toEqual(['redis.password_file']);
});

test('keys are read in any spelling, nested ones flat as well', () => {
  expect(
    loadText('flushSize: 1\nMAX_OPEN_FILES: 2\nredis_url: redis://h\nLog-Level: DEBUG\nlogFormat: ECS'),
  ).toMatchObject({
    flushSize: 1,
    maxOpenFiles: 2,
    redis: { target: { host: 'h' } },
    logLevel: 'debug',
    logFormat: 'ecs',
  });
  expect(loadText('').logFormat).toBeNull();
  expect(keysOf('log_format: xml')).toEqual(['log_format']);
});

test('a key given twice by two spellings is a mistake', () => {
  expect(problemsOf('flush_size: 1\nflushSize: 2')).toMatchObject([{ key: 'flush_size' }]);
  expect(keysOf('port: 1\nv_port: 2')).toEqual(['port']);
  expect(keysOf('redis: { url: "redis://a" }\nredis_url: redis://b')).toEqual(['redis.url']);
  expect(problemsOf('port: 1\nport: 2')[0]?.given).toContain('twice');
  expect(problemsOf('{"port": 1, "port": 2}')[0]?.given).toContain('twice');
  expect(keysOf({ env: { SINK_FLUSH_SIZE: '1', SINK_FLUSHSIZE: '2' } })).toEqual(['flush_size']);
});

test('an unknown key is a mistake that names the nearest known one, and never its value', () => {
  const problems = problemsOf(
    'flush_sise: 5\naws: { secret_acces_key: hunter2 }\nredis: { port: 6380 }\nauth: x\nencryption: AES256',
  );
  expect(problems.map(({ key, allowed }) => [key, allowed])).toEqual([
    ['flush_sise', 'the keys of docs/configuration.md; did you mean flush_size?'],
    ['aws.secret_acces_key', 'the keys of docs/configuration.md; did you mean aws.secret_access_key?'],
    ['redis.port', 'the keys of docs/configuration.md; did you mean redis_port?'],
    ['auth', 'the keys of docs/configuration.md'],
    ['encryption', 'the keys of docs/configuration.md'],
  ]);
  expect(JSON.stringify(problems)).not.toContain('hunter2');
  expect(problemsOf({ env: { SINK_REDIS_URI: 'x' } })).toMatchObject([
    { key: 'SINK_REDIS_URI', allowed: 'the keys of docs/configuration.md; did you mean SINK_REDIS_URL?' },
  ]);
});

test('all mistakes are reported at once, each with key, value and what is allowed', () => {
  const text = 'port: 70000\nlanes: many\ncompression: brotli\nflush_bytes: 5GiB\ndurability: 7\nbukket: b';
  const problems = problemsOf(text);
  expect(problems.map(({ key }) => key).sort()).toEqual(
    ['bukket', 'compression', 'durability', 'flush_bytes', 'lanes', 'port'].sort(),
  );
  expect(problems.find(({ key }) => key === 'lanes')).toEqual({
    key: 'lanes',
    given: '"many" (/etc/sink.yml)',
    allowed: 'a whole number from 1 to 64',
  });
  expect(problems.find(({ key }) => key === 'flush_bytes')?.allowed).toContain('4 GiB');
  expect(new ConfigError(problems).message).toContain('6 mistakes\n');
});

test('no mistake shows a secret', () => {
  const text =
    'aws: { access_key_id: 12345678, secret_access_key: 987654321 }\nredis: { url: "http://:hunter2@h", password: [hunter3] }';
  const shown = new ConfigError(problemsOf(text)).message;
  for (const secret of ['12345678', '987654321', 'hunter2', 'hunter3']) expect(shown).not.toContain(secret);
  expect(shown).toContain('put it in quotes');
});

test.each([
  'endpoint: "http://me:hunter2@host"',
  'endpoint: me:hunter2@host:9000',
  'endpoint: https://s3.example/?token=hunter2',
  'endpoint: s3.example?token=hunter2',
  'region: us-west-2\nbucket: AK:hunter2@events',
  'bucket: file://AK:hunter2@events',
  'redis: { sentinel_master: m, sentinels: "user:hunter2@host:26379" }',
  'redis: { sentinel_master: m, sentinels: ["h", "user:hunter2@host:26379"] }',
  'redis: { cluster_nodes: "u:pass/hunter2@a:6379,u:hunter2@b:6379" }',
  'redis: { cluster_nodes: h, nat_map: { "u:hunter2@a:1": "b:1" } }',
  'redis: { cluster_nodes: h, nat_map: { "a:1": "u:hunter2@b:1" } }',
  'redis: { url: "redis://h", username: u, password_file: hunter2 }',
  'redis: { url_file: "redis://u:hunter2@h" }',
  'redis: { url: "rediss://h", tls_cert_file: /cert, tls_key_file: hunter2 }',
  'bucket: events\nregion: us-west-2\naws: { access_key_id: a, secret_access_key_file: hunter2 }',
  'host: u:hunter2@host',
  'data_dir: 5\nsink_name: u:hunter2@host',
])('no mistake shows the secret of %j', (text) => {
  const problems = problemsOf({ file: AT, files: { [AT]: text, '/cert': 'cert' } });
  expect(problems.length).toBeGreaterThan(0);
  expect(JSON.stringify(problems)).not.toContain('hunter2');
});

test('all secrets are listed, so that the log can leave them out', () => {
  const key = '-----BEGIN PRIVATE KEY-----';
  const files = { '/key': key, '/cert': 'cert', '/password': 'hunter4\n' };
  const redis = '{ url: "rediss://u:hunter%202@h", tls_cert_file: /cert, tls_key_file: /key }';
  const { secrets } = loadText(`${GUIDE}\nredis: ${redis}`, { files });
  expect(secrets.toSorted()).toEqual(
    [
      'AKIAIOSFODNN7EXAMPLE',
      'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
      'rediss://u:hunter%202@h',
      'hunter%202',
      'hunter 2',
      key,
    ].toSorted(),
  );
  const sentinel = '{ sentinels: h, sentinel_master: m, sentinel_password: hunter3, password_file: /password }';
  expect(loadText(`redis: ${sentinel}`, { files }).secrets).toEqual(['hunter3', 'hunter4']);
  expect(load({}).secrets).toEqual([]);
});

test('a key that depends on no other is a member of the configuration in camelCase, with its unit', () => {
  const plain = plainConfig(readSettings({ hold_max: '4s', 'ingest.workers': 2 }));
  expect(plain).toMatchObject({
    port: 8080,
    holdMaxMs: 4_000,
    flushBytes: 134_217_728,
    ingestWorkers: 2,
    maxSpoolBytes: null,
  });
  const resolved = ['aws', 'redisUrl', 'bucket', 'compressionLevel', 'manifests', 'spillAt', 'dataDir'];
  for (const name of resolved) expect(plain).not.toHaveProperty(name);
});

test('keep_alive_timeout is above the 90 s of Go clients, and may be above the 600 s of Google, or an hour', () => {
  expect(load({}).keepAliveTimeoutMs).toBeGreaterThan(90_000);
  expect(loadText('keep_alive_timeout: 1h').keepAliveTimeoutMs).toBe(3_600_000);
  expect(keysOf('keep_alive_timeout: 0')).toEqual(['keep_alive_timeout']);
});

test('stop_delay is off unless it is given, and at most ten minutes', () => {
  expect(load({}).stopDelayMs).toBe(0);
  expect(loadText('stop_delay: 5s').stopDelayMs).toBe(5_000);
  expect(keysOf('stop_delay: 11m')).toEqual(['stop_delay']);
});

test('what a sender did with header values and JSON is found out, unless it is configured', () => {
  expect(load({})).toMatchObject({ attributeEncoding: 'auto', malformedJson: 'store' });
  const given = loadText('attribute_encoding: raw\nmalformed_json: refuse');
  expect(given).toMatchObject({ attributeEncoding: 'raw', malformedJson: 'refuse' });
  expect(keysOf('attribute_encoding: utf8\nmalformed_json: drop')).toEqual(['attribute_encoding', 'malformed_json']);
});

test('a broken file is reported by line, without its content', () => {
  for (const text of ['password: hunter2\n  bad: [hunter2', '{"password": "hunter2" "x": 1}', '- hunter2', 'hunter2']) {
    const [problem, ...more] = problemsOf(text);
    expect(problem?.key).toBe(AT);
    expect(JSON.stringify([problem, ...more])).not.toContain('hunter2');
  }
  expect(problemsOf('a: 1\n---\nb: 2')[0]?.given).toContain('several YAML documents');
  expect(loadText('').port).toBe(8080);
  expect(loadText('# nothing\n').port).toBe(8080);
  expect(loadText('\uFEFFport: 7').port).toBe(7);
});

test('a key without a value, and an empty variable, count as not given', () => {
  expect(
    loadText('port:\nregion:\nredis:\n  url:\nbucket: ~', { env: { SINK_PORT: '', SINK_BUCKET: '' } }),
  ).toMatchObject({
    port: 8080,
    redis: null,
    bucket: { kind: 'file' },
  });
});

test('variables that Kubernetes sets for a service named sink are left alone', () => {
  const env = {
    SINK_PORT: 'tcp://10.0.0.1:80',
    SINK_SERVICE_HOST: '10.0.0.1',
    SINK_SERVICE_PORT_HTTP: '80',
    SINK_PORT_80_TCP_ADDR: '10.0.0.1',
    SINK_AWS_S3_SERVICE_PORT: '8080',
    SINK_AWS_S3_PORT: 'tcp://10.0.0.1:8080',
    SINK_REDIS_PORT: 'tcp://10.0.0.2:6379',
    SINK_REDIS_SERVER: '/usr/bin/redis-server',
  };
  expect(load({ env })).toMatchObject({ port: 8080, redisPort: 0 });
});

test('a region is only asked for where neither endpoint, environment nor profile has one', () => {
  expect(keysOf('bucket: mybucket')).toEqual(['region']);
  expect(loadText('bucket: mybucket\nendpoint: http://s3:8333/').bucket).toEqual({
    kind: 's3',
    name: 'mybucket',
    region: 'us-east-1',
    endpoint: 'http://s3:8333',
    endpointFrom: 'endpoint',
    forcePathStyle: true,
    credentialsFrom:
      'the AWS environment, the profile default (/nowhere/.aws/config, /nowhere/.aws/credentials) or a role',
  });
  expect(loadText('bucket: mybucket', { env: { AWS_DEFAULT_REGION: 'eu-west-1' } }).bucket).toMatchObject({
    region: 'eu-west-1',
  });
  const files = { '/nowhere/.aws/config': '[default]\noutput = json\n[profile work]\nregion = eu-west-1\n' };
  expect(loadText('bucket: mybucket', { env: { AWS_PROFILE: 'work' }, files }).bucket).toEqual({
    kind: 's3',
    name: 'mybucket',
    region: 'eu-west-1',
    forcePathStyle: false,
    credentialsFrom:
      'the AWS environment, the profile work (/nowhere/.aws/config, /nowhere/.aws/credentials) or a role',
  });
  expect(keysOf({ file: AT, files: { ...files, [AT]: 'bucket: mybucket' } })).toEqual(['region']);
});

test('buckets have the names S3 allows; in the path the older ones as well', () => {
  const withRegion = (name: string, more = ''): string[] => keysOf(`bucket: "${name}"\nregion: us-west-2\n${more}`);
  for (const good of ['abc', 'my.bucket-1', 'arn:aws:s3:us-west-2:123456789012:accesspoint/mine']) {
    expect(withRegion(good), good).toEqual([]);
  }
  for (const bad of ['ab', 'My-Bucket', 'a_b', '-abc', 'abc-', 'a..b', '10.0.0.1', 'a/b', 'x'.repeat(64)]) {
    expect(withRegion(bad), bad).toEqual(['bucket']);
  }
  expect(withRegion('My_Bucket', 'force_path_style: true')).toEqual([]);
  expect(withRegion('a/b', 'force_path_style: true')).toEqual(['bucket']);
});

test('a file bucket is an absolute directory', () => {
  expect(loadText('bucket: file:///var/lib/my%20sink').bucket).toEqual({ kind: 'file', directory: '/var/lib/my sink' });
  for (const bad of ['file://host/dir', 'file:relative', 'file:///', 'file:///a?b', 'file:///a%2Fb']) {
    expect(keysOf(`bucket: "${bad}"`), bad).toEqual(['bucket']);
  }
});

test('credentials come as a pair or not at all, and never without a bucket', () => {
  const base = 'bucket: mybucket\nregion: us-west-2\n';
  expect(keysOf(`${base}aws: { access_key_id: a }`)).toEqual(['aws.secret_access_key']);
  expect(keysOf(`${base}aws: { secret_access_key: a }`)).toEqual(['aws.access_key_id']);
  expect(keysOf(`${base}aws: { session_token: a }`)).toEqual(['aws.session_token']);
  expect(keysOf('region: us-west-2')).toEqual(['bucket']);
  expect(loadText(base).bucket).not.toHaveProperty('credentials');
});

test('what keys mean together is checked', () => {
  expect(keysOf('port: 9101')).toEqual(['ingest_ops_port']);
  expect(keysOf('port: 0\ningest_ops_port: 0\nbatcher_ops_port: 0\nuploader_ops_port: 0')).toEqual([]);
  expect(keysOf('compression: gzip\ncompression_level: 10')).toEqual(['compression_level']);
  expect(loadText('compression: zstd\ncompression_level: 10').compressionLevel).toBe(10);
  expect(loadText('compression_level: 10')).not.toHaveProperty('compressionLevel');
  expect(keysOf('durability: managed')).toEqual(['durability']);
  expect(keysOf('replicas: 1')).toEqual(['replicas']);
  expect(keysOf('durability: managed\nreplicas: 1\nredis: { url: "redis://h" }')).toEqual([]);
  expect(keysOf('max_body_bytes: 65MiB')).toEqual(['max_in_flight_bytes']);
  expect(keysOf('ingest: { workers: 5 }')).toEqual(['max_in_flight_bytes']);
  expect(keysOf('ingest: { workers: 5 }\nmax_in_flight_bytes: 80MiB')).toEqual([]);
});

test('a prefix cannot lead out of its directory', () => {
  for (const good of ['events/', 'a/b/c-', 'ünï/', '..a/', '']) expect(keysOf(`prefix: "${good}"`), good).toEqual([]);
  for (const bad of ['/a', '../a', 'a/../b', 'a/..', './a', 'a//b', 'a\\\\b', 'a\\u0000b', 'é'.repeat(257)]) {
    expect(keysOf(`prefix: "${bad}"`), bad).toEqual(['prefix']);
  }
  expect(keysOf(`prefix: "${'😀'.repeat(200)}"`)).toEqual(['prefix']);
});

test('quarantine objects have a prefix of their own', () => {
  expect(loadText('').quarantinePrefix).toBe('quarantine/');
  // Valid before the key existed.
  expect(keysOf('prefix: quarantine/')).toEqual([]);
  expect(keysOf('prefix: quarantine/\non_invalid: quarantine')).toEqual(['quarantine_prefix']);
  expect(keysOf('prefix: a/\nquarantine_prefix: a/q/')).toEqual([]);
  expect(keysOf('prefix: a/q/\nquarantine_prefix: a/')).toEqual([]);
  expect(keysOf('prefix: a/\nquarantine_prefix: a/')).toEqual(['quarantine_prefix']);
  expect(keysOf('quarantine_prefix: ""')).toEqual(['quarantine_prefix']);
  expect(keysOf('quarantine_prefix: 2026/bad/')).toEqual(['quarantine_prefix']);
  expect(keysOf('prefix: a/2026/11/\nquarantine_prefix: a/')).toEqual(['quarantine_prefix']);
  for (const bad of ['/a', '../a', 'a//b'])
    expect(keysOf(`quarantine_prefix: "${bad}"`), bad).toEqual(['quarantine_prefix']);
  expect(keysOf(`quarantine_prefix: "${'😀'.repeat(200)}"`)).toEqual(['quarantine_prefix']);
});

test('the configuration is frozen all the way down', () => {
  const config = loadText(`${GUIDE}\nredis: { cluster_nodes: [a, b] }`);
  const unfrozen = (value: unknown): boolean =>
    typeof value === 'object' &&
    value !== null &&
    (!Object.isFrozen(value) || Object.values(value).some((inner) => unfrozen(inner)));
  expect(unfrozen(config)).toBe(false);
});

test('manifests are written only if asked for', () => {
  expect(loadText('bucket: file:///d').manifests).toBe(false);
  expect(loadText('bucket: file:///d\nmanifests: true').manifests).toBe(true);
  expect(load({ env: { SINK_BUCKET: 'file:///d', SINK_MANIFESTS: 'true' } }).manifests).toBe(true);
  expect(keysOf('bucket: file:///d\nmanifests: hourly')).toEqual(['manifests']);
});

test('TLS: a version may be a number, the key and the certificate come together, and no path of a key is shown', () => {
  const pair = { SINK_TLS_CERT_FILE: '/a.crt', SINK_TLS_KEY_FILE: '/a.key' };
  const { tlsCertFile, tlsKeyFile, tlsMinVersion, tlsClientCaFile } = load({ env: pair });
  expect([tlsCertFile, tlsKeyFile, tlsMinVersion, tlsClientCaFile]).toEqual(['/a.crt', '/a.key', '1.2', null]);
  for (const version of ['1.3', '"1.3"'])
    expect(loadText(`tls: { min_version: ${version} }`).tlsMinVersion).toBe('1.3');
  expect(keysOf('tls: { min_version: 1.1 }')).toEqual(['tls.min_version']);
  expect(keysOf('tls: { cert_file: /a.crt }')).toEqual(['tls.key_file']);
  expect(keysOf('tls: { client_ca_file: /ca.crt }')).toEqual(['tls.cert_file']);
  const [problem] = problemsOf('tls: { key_file: [-----BEGIN PRIVATE KEY-----] }');
  expect(problem).toMatchObject({ key: 'tls.key_file' });
  expect(JSON.stringify(problem)).not.toContain('PRIVATE');
});

test('the operations ports are where the port is, unless ops_host is given', () => {
  expect(loadText('host: 10.0.0.1').opsHost).toBe('10.0.0.1');
  expect(loadText('ops_host: 127.0.0.1')).toMatchObject({ host: '0.0.0.0', opsHost: '127.0.0.1' });
});
