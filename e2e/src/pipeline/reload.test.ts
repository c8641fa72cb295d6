import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type LivePath, livePaths } from '@sink/config';
import { eventually, freePort, startProcess, temporaryDirectory } from '@sink/testing';
import { afterEach, expect, it, onTestFinished } from 'vitest';
import { FAULTLESS, judge } from '../harness/oracle.ts';
import { Pipeline, type Service } from '../harness/pipeline.ts';
import { Producers, tryOf } from '../harness/producer.ts';
import { Random } from '../random.ts';

let pipeline: Pipeline | undefined;
afterEach(async () => {
  await pipeline?.stop();
  pipeline = undefined;
});

const MAIN = join(import.meta.dirname, '../../../apps/sink/src/main.ts');
const RELOADS = 200;
const MIB = 1024 * 1024;

function between(random: Random, low: number, high: number): number {
  return low + random.below(high - low + 1);
}

function one(random: Random, words: readonly string[]): string {
  return random.pick(words) ?? '';
}

/** A value of each live key with which the load below must go on without a refusal. */
const VALUES: Readonly<Record<LivePath, (random: Random) => string | number>> = {
  max_body_bytes: (random) => between(random, 64 * 1024, 8 * MIB),
  max_in_flight_bytes: (random) => between(random, 16 * MIB, 64 * MIB),
  keep_alive_timeout: (random) => `${between(random, 20, 100)}s`,
  attribute_encoding: (random) => one(random, ['auto', 'percent', 'raw']),
  lenient_content_type: (random) => one(random, ['true', 'false']),
  malformed_json: (random) => one(random, ['store', 'refuse']),
  on_invalid: (random) => one(random, ['reject', 'quarantine']),
  quarantine_max_bytes: (random) => between(random, 64 * 1024, MIB),
  quarantine_max_per_second: (random) => between(random, 1, 100),
  hold_max: (random) => `${between(random, 4_000, 10_000)}ms`,
  // The load sends `?code=load`.
  producers: (random) =>
    one(random, ['[]', ...[1, 2].map((n) => `[{name: p${n}, query: {parameter: code, tokens: [load, other${n}]}}]`)]),
  webhook_allowed_origins: (random) => one(random, ['example.com', '"*"']),
  // The events have no dataschema.
  validate: (random) => one(random, ['off', 'known']),
  on_registry_away: (random) => one(random, ['accept', 'refuse']),
  'schemas.directories': (random) => one(random, ['[deploy]', '[]']),
  'schemas.registries': (random) => one(random, ['[]', '[{kind: xregistry, url: "http://127.0.0.1:1"}]']),
  'schemas.allow_hosts': (random) => one(random, ['a.example', 'b.example']),
  compression: (random) => one(random, ['none', 'gzip', 'zstd']),
  compression_level: (random) => between(random, 1, 9),
  multipart_above: (random) => between(random, 5 * MIB, 64 * MIB),
  // With another encryption, or none, the other two keys would be mistakes.
  sse: () => 'aws:kms',
  sse_kms_key_id: (random) => one(random, ['alias/one', 'alias/other']),
  sse_bucket_key: (random) => one(random, ['true', 'false']),
  storage_class: (random) => one(random, ['STANDARD', 'STANDARD_IA']),
  acl: (random) => one(random, ['private', 'bucket-owner-full-control']),
  tags: (random) => one(random, ['{}', '{team: x}']),
  metadata: (random) => one(random, ['{}', '{team: x}']),
  object_lock_mode: (random) => one(random, ['GOVERNANCE', 'COMPLIANCE']),
  // The bucket has no locks.
  object_lock_for: () => 0,
  expected_bucket_owner: (random) => one(random, ['"012345678901"', '"123456789012"']),
  requester_pays: (random) => one(random, ['true', 'false']),
  cache_control: (random) => one(random, ['no-store', 'max-age=60']),
  manifest_after: (random) => `${between(random, 1, 100)}m`,
  upload_concurrency: (random) => between(random, 1, 16),
  upload_timeout: (random) => `${between(random, 10, 300)}s`,
  flush_size: (random) => between(random, 20, 500),
  flush_bytes: (random) => between(random, 10_000, MIB),
  target_object_size: (random) => between(random, 64 * 1024, MIB),
  scheduled_interval: (random) => `${between(random, 200, 3_000)}ms`,
  idle_interval: (random) => `${between(random, 200, 3_000)}ms`,
  max_open_files: (random) => between(random, 1, 8),
  max_open_bytes: (random) => between(random, MIB, 4 * MIB),
  lease: (random) => `${between(random, 2_000, 20_000)}ms`,
  log_level: (random) => one(random, ['debug', 'info', 'warn', 'error']),
};

/** With the secret of the producers above. */
function withCode({ name, url }: Service): Pick<Service, 'name' | 'url'> {
  return { name, url: new URL('/?code=load', url).href };
}

/** How many files a service has taken, by its own account. */
async function applied({ opsUrl }: Service): Promise<number> {
  const text = await (await fetch(`${opsUrl}/metrics`)).text();
  expect(text).toContain('sink_config_reloads_total{result="rejected"} 0');
  return Number(/^sink_config_reloads_total\{result="applied"\} (\d+)$/m.exec(text)?.[1]);
}

it(
  `${RELOADS} reloads of every live key under load: no request fails, and every event is stored exactly once`,
  { timeout: 600_000 },
  async () => {
    const seed = Number(process.env['SINK_RELOAD_SEED'] ?? Date.now() % 1_000_000);
    console.log(`reload: SINK_RELOAD_SEED=${seed}`);
    const random = new Random(seed);
    const path = join(temporaryDirectory('reload'), 'config.yml');
    const write = (): void => {
      const lines = livePaths.map((key) => `${key}: ${VALUES[key](random)}\n`);
      writeFileSync(`${path}.new`, lines.join(''));
      renameSync(`${path}.new`, path);
    };
    write();
    const sink = (pipeline = await Pipeline.start({
      ingests: 2,
      file: { path, keys: livePaths },
      // Its workers get the configuration from their parent.
      environmentOf: (name) => (name === 'ingest-1' ? { SINK_INGEST_WORKERS: '2' } : {}),
    }));
    const producers = new Producers(() => sink.of('ingest').map(withCode), 16);
    const before = await Promise.all(sink.services.map(applied));
    for (let reload = 1; reload <= RELOADS; reload++) {
      write();
      // Some are left to the services, which look at the file by themselves.
      const asked = reload % 20 !== 0;
      const counts = await Promise.all(sink.services.map(applied));
      if (asked) for (const { process } of sink.services) process.signal('SIGHUP');
      await eventually(
        async () => {
          for (const [index, service] of sink.services.entries()) {
            if ((await applied(service)) <= (counts[index] ?? 0)) throw new Error(`${service.name} has not reloaded`);
          }
        },
        { timeoutMs: 20_000 },
      );
      await producers.acknowledgedMore(20);
    }
    await producers.stop();
    await sink.drained();
    const after = await Promise.all(sink.services.map(applied));
    for (const [index, count] of after.entries()) expect(count - (before[index] ?? 0)).toBeGreaterThanOrEqual(RELOADS);
    expect([...producers.statuses.keys()]).toEqual([202]);
    expect(await judge(sink, producers)).toMatchObject(FAULTLESS);
    const objects = await sink.objects();
    console.log(`reload: ${producers.acknowledgedTries} events in ${objects.size} objects, after ${RELOADS} reloads`);
  },
);

it(
  'the whole sink on `sink reload`: its services and workers take what is in force, also those that are killed while the file is broken',
  { timeout: 300_000 },
  async () => {
    const seed = Date.now() % 1_000_000;
    const random = new Random(seed);
    const path = join(temporaryDirectory('reload'), 'config.yml');
    const dataDir = temporaryDirectory('whole');
    const [port, opsPort] = [await freePort(), await freePort()];
    const fixed = `port: ${port}\ningest: {workers: 2}\n`;
    const live = (): string =>
      livePaths
        .filter((key) => !['compression', 'log_level'].includes(key))
        .map((key) => `${key}: ${VALUES[key](random)}\n`)
        .join('');
    writeFileSync(path, `${fixed}${live()}`);
    const env = {
      CONNECTOR_CONFIG: path,
      SINK_DATA_DIR: dataDir,
      SINK_HOST: '127.0.0.1',
      SINK_INGEST_OPS_PORT: String(opsPort),
      SINK_BATCHER_OPS_PORT: String(await freePort()),
      SINK_UPLOADER_OPS_PORT: String(await freePort()),
      npm_lifecycle_event: undefined,
    };
    const sink = await startProcess({ command: process.execPath, args: [MAIN], env });
    onTestFinished(() => sink.kill('SIGTERM').then(() => undefined));
    await sink.waitFor(/"msg":"ready: post CloudEvents to/, { timeoutMs: 60_000 });
    const reload = async (): Promise<{ code: number | null; output: string }> => {
      const command = await startProcess({ command: process.execPath, args: [MAIN, 'reload'], env });
      const { code } = await command.exited;
      return { code, output: command.output() };
    };

    const producers = new Producers(() => [{ name: 'sink', url: `http://127.0.0.1:${port}/?code=load` }], 8);
    for (let round = 1; round <= 8; round++) {
      writeFileSync(path, `${fixed}${live()}`);
      expect(await reload(), `seed ${seed}`).toMatchObject({
        code: 0,
        output: expect.stringContaining('flush_size: ') as string,
      });
      await producers.acknowledgedMore(50);
    }
    writeFileSync(path, `${fixed}${live()}sink_name: other\nlanes: 3\n`);
    expect((await reload()).code).toBe(2);
    expect([...producers.statuses.keys()]).toEqual([202]);

    writeFileSync(path, 'a: [');
    expect(await reload()).toMatchObject({
      code: 78,
      output: expect.stringContaining('neither YAML nor JSON') as string,
    });
    const all = await fetch(`http://127.0.0.1:${port}/readyz?all`);
    const { warnings } = (await all.json()) as { warnings: Record<string, string> };
    expect(all.status).toBe(200);
    expect(warnings['config_pending_restart']).toBe('sink_name, lanes');
    expect(warnings['config_rejected']).toMatch(/^the configuration file is refused: /);
    const ops = (await (await fetch(`http://127.0.0.1:${opsPort}/readyz`)).json()) as { warnings: typeof warnings };
    expect(ops.warnings['config_rejected']).toContain('neither YAML nor JSON');
    const pids = (text: RegExp): number[] => [...sink.output().matchAll(text)].map(([, pid]) => Number(pid));
    for (const started of [
      /"service":"batcher","pid":(\d+),.*"msg":"started"/g,
      /"service":"ingest","pid":(\d+),.*"msg":"taking events"/g,
    ]) {
      const before = pids(started).length;
      process.kill(pids(started).at(-1) ?? 0, 'SIGKILL');
      await eventually(() => expect(pids(started).length).toBeGreaterThan(before), { timeoutMs: 30_000 });
    }
    await producers.acknowledgedMore(200);
    await producers.stop();
    const metrics = await (await fetch(`http://127.0.0.1:${opsPort}/metrics`)).text();
    expect(metrics).toContain('sink_config_rejected 1');
    expect(metrics).toContain('sink_config_pending_restart{key="lanes"} 1');
    expect(await sink.kill('SIGTERM')).toEqual({ code: 0, signal: null });

    const objects = join(dataDir, 'objects');
    const files = readdirSync(objects, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.ndjson'),
    );
    const stored = files
      .flatMap((name) => readFileSync(join(objects, name), 'utf8').split('\n').slice(0, -1))
      .map((line) => tryOf(JSON.parse(line) as Record<string, unknown>));
    expect(new Set(stored).size).toBe(stored.length);
    const acknowledged = [...producers.tries].filter(([, { acknowledged: at }]) => at !== null).map(([name]) => name);
    const missing = acknowledged.filter((name) => !stored.includes(name));
    expect(missing).toEqual([]);
  },
);
