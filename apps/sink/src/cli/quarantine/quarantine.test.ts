import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { loadConfig, type SinkConfig } from '@sink/config';
import { evidenceHeader, evidenceId, evidenceLine, partitionAt, retryMarkerKey } from '@sink/domain';
import { laneKeys } from '@sink/lane';
import { type RedisServer, startRedis, startS3, temporaryDirectory } from '@sink/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { iamText } from '../iam.ts';
import { type QuarantineCommand, runQuarantine } from './quarantine.ts';

const KEYS = laneKeys('quarantined', 0);
const EVENT = '{"specversion":"1.0","id":"1","source":"/s","type":"t"}';
const REFUSED_MS = Date.now() - 1_000;
const BATCHED = ['Content-Type', 'application/cloudevents-batch+json'];

let redis: RedisServer;
let client: Redis;
beforeAll(async () => {
  redis = await startRedis();
  client = new Redis(redis.url);
});
beforeEach(() => client.flushall());
afterAll(async () => {
  client.disconnect();
  await redis.stop();
});

interface Kept {
  readonly body?: string;
  readonly headers?: readonly string[];
  readonly index?: number | null;
  readonly producer?: string;
  readonly reason?: string;
  readonly atMs?: number;
}

/** A sink with plain files, whose quarantine has this evidence. */
class World {
  config: SinkConfig;
  readonly ids: string[] = [];
  readonly directory = temporaryDirectory('quarantine');

  constructor(kept: readonly Kept[], more: Record<string, unknown> = {}) {
    this.config = this.#configWith(more);
    const byPartition = Map.groupBy(
      kept.map((one, sequence) => this.#line(one, sequence)),
      ({ partition }) => partition,
    );
    for (const [partition, lines] of byPartition) {
      this.write(
        `quarantine/${partition}/eventing-a-1-0-0-${'0'.repeat(32)}.ndjson`,
        lines.map(({ line }) => `${line}\n`).join(''),
      );
    }
  }

  /** Other settings from now on. */
  change(more: Record<string, unknown>): void {
    this.config = this.#configWith(more);
  }

  #configWith(more: Record<string, unknown>): SinkConfig {
    return loadConfig({
      env: {},
      overrides: {
        data_dir: this.directory,
        bucket: `file://${this.directory}/objects`,
        sink_name: 'quarantined',
        'redis.url': redis.url,
        max_backlog_bytes: '16MiB',
        receipts_max: 1000,
        max_fingerprints: 1000,
        ...more,
      },
      readText: () => 'missing',
    });
  }

  #line(kept: Kept, sequence: number): { partition: string; line: string } {
    const { body = '{}', headers = [], index = null, producer = null, reason = 'json', atMs = REFUSED_MS } = kept;
    const id = evidenceId(atMs, sequence, Buffer.alloc(8));
    this.ids.push(id);
    const pairs = headers.flatMap((name, at) => (at % 2 === 0 ? [evidenceHeader(name, headers[at + 1] ?? '')] : []));
    const request = { refusedAtMs: atMs, producer, method: 'POST', path: '/in', query: [], headers: pairs };
    const line = evidenceLine(id, request, { index, bytes: Buffer.from(body), reason, why: 'it is wrong' });
    return { partition: partitionAt(atMs, 'HOURLY'), line };
  }

  write(key: string, content: string): void {
    const path = join(this.directory, 'objects', key);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }

  async run(command: QuarantineCommand): Promise<{ code: number; output: string }> {
    let output = '';
    const code = await runQuarantine(
      this.config,
      command,
      (text) => void (output += String(text)),
      new AbortController().signal,
    );
    return { code, output };
  }

  retry(
    more: Partial<Extract<QuarantineCommand, { action: 'retry' }>> = {},
  ): Promise<{ code: number; output: string }> {
    return this.run({ action: 'retry', id: this.ids[0] ?? '', file: null, again: false, ...more });
  }

  corrected(content: string): string {
    const path = join(this.directory, 'corrected');
    writeFileSync(path, content);
    return path;
  }

  markers(): string[] {
    return readdirSync(join(this.directory, 'objects/quarantine/_retries')).sort();
  }
}

/** The lines in Redis, with the route and path of their chunks. */
async function stored(): Promise<string[]> {
  const entries = await client.xrange(KEYS.chunks, '-', '+');
  return entries.flatMap(([, fields]) => (fields[fields.indexOf('b') + 1] ?? '').split('\n').slice(0, -1));
}

const LIST = { action: 'list', range: {}, producer: null, reason: null, json: true } as const;

describe('list and show', () => {
  test('by range, producer and reason', async () => {
    const world = new World([
      { producer: 'billing' },
      { producer: 'vanus', reason: 'data' },
      { producer: 'billing', reason: 'data', atMs: REFUSED_MS - 86_400_000 },
    ]);
    const ids = async (more: Partial<Extract<QuarantineCommand, { action: 'list' }>>): Promise<unknown[]> => {
      const { output } = await world.run({ ...LIST, ...more });
      return output
        .split('\n')
        .filter(Boolean)
        .map((line) => world.ids.indexOf((JSON.parse(line) as { id: string }).id));
    };
    expect(await ids({})).toEqual([2, 0, 1]);
    expect(await ids({ producer: 'billing' })).toEqual([2, 0]);
    expect(await ids({ reason: 'data' })).toEqual([2, 1]);
    expect(await ids({ range: { fromMs: REFUSED_MS } })).toEqual([0, 1]);
    expect(await ids({ range: { toMs: REFUSED_MS } })).toEqual([2]);
    const { output } = await world.run({ ...LIST, producer: 'vanus', json: false });
    expect(output).toContain(`${world.ids[1]}  ${new Date(REFUSED_MS).toISOString()} from vanus\n`);
    expect(output).toContain('data: it is wrong, 2 bytes\n1 refused events\n');
  });

  test('one with all that is known, or its bytes', async () => {
    const world = new World([{ body: '{"a":"é"}', index: 3 }]);
    const id = world.ids[0] ?? '';
    const shown = await world.run({ action: 'show', id, body: false });
    expect(JSON.parse(shown.output)).toMatchObject({ id, index: 3, body: '{"a":"é"}', path: '/in' });
    expect(await world.run({ action: 'show', id, body: true })).toEqual({ code: 0, output: '{"a":"é"}' });
    for (const unknown of ['x', evidenceId(REFUSED_MS, 99, Buffer.alloc(8))]) {
      expect(await world.run({ action: 'show', id: unknown, body: false })).toMatchObject({ code: 1 });
    }
  });
});

describe('retry', () => {
  test('stores the event once, and is refused after that; list says so', async () => {
    const world = new World([{ body: EVENT, index: 1, headers: BATCHED, reason: 'batch' }, {}]);
    expect(await world.retry()).toMatchObject({
      code: 0,
      output: expect.stringContaining('its event is stored') as string,
    });
    expect(await stored()).toEqual([EVENT]);
    const second = await world.retry();
    expect(second.code).toBe(1);
    expect(second.output).toMatch(/a retry stored it at 20.*; --again stores it once more/);
    expect(await stored()).toEqual([EVENT]);
    const { output } = await world.run(LIST);
    const retries = output
      .split('\n')
      .filter(Boolean)
      .map((line) => (JSON.parse(line) as { retry: unknown }).retry);
    expect(retries).toEqual(['stored', null]);
    expect((await world.retry({ again: true })).code).toBe(0);
    expect(await stored()).toEqual([EVENT, EVENT]);
    expect(world.markers()).toHaveLength(4);
  });

  test('of what is refused again changes nothing', async () => {
    const world = new World([{ headers: BATCHED, body: '[1]' }]);
    const { code, output } = await world.retry();
    expect(code).toBe(1);
    expect(output).toContain('it would be refused again: batch element 0: a CloudEvent must be a JSON object (json)');
    expect(() => world.markers()).toThrow('ENOENT');
    expect(await client.exists(KEYS.writers)).toBe(0);
  });

  test.each([
    ['a corrected event', EVENT, [EVENT]],
    ['a batch of them', `[${EVENT},${EVENT}]`, [EVENT, EVENT]],
  ])('with %s', async (_what, content, lines) => {
    const world = new World([{ reason: 'compressed_data' }]);
    expect((await world.retry()).output).toContain('give the corrected event with --file');
    expect(await world.retry({ file: world.corrected(content) })).toMatchObject({ code: 0 });
    expect(await stored()).toEqual(lines);
  });

  test('of an event in binary mode reads its headers as they were sent', async () => {
    const headers = [
      'Ce-Id',
      '1',
      'Ce-Source',
      '/s',
      'Ce-Specversion',
      '1.0',
      'Ce-Type',
      't',
      'Ce-Subject',
      'h\xc3\xa9',
    ];
    const world = new World([{ headers, body: '{"a": 1}' }]);
    expect(await world.retry()).toMatchObject({ code: 0 });
    expect(await stored()).toEqual([expect.stringContaining('"subject":"hé","data":{"a":1}') as string]);
  });

  test('of an event that a route drops is refused: nothing would be stored', async () => {
    const routes = JSON.stringify([{ name: 'noise', drop: true, filter: { sql: 'TRUE' } }]);
    const world = new World([{ body: EVENT, index: 1, headers: BATCHED, reason: 'batch' }], { routes });
    expect(await world.retry()).toMatchObject({
      code: 1,
      output: expect.stringContaining('routes with drop: true would drop it: noise') as string,
    });
    expect(() => world.markers()).toThrow('ENOENT');
  });

  test('asks for the schema of the event, as ingest does', async () => {
    const schema = '{"$id":"https://schemas.example.com/a","type":"object","required":["to"]}';
    const schemas = temporaryDirectory('schemas');
    writeFileSync(join(schemas, 'a.json'), schema);
    const typed = (data: string): string =>
      EVENT.replace('}', `,"dataschema":"https://schemas.example.com/a","data":${data}}`);
    const world = new World([{ body: typed('{}'), index: 0, reason: 'schema' }], {
      validate: 'known',
      'schemas.directories': JSON.stringify([{ path: schemas }]),
    });
    const refused = await world.retry();
    expect(refused).toMatchObject({ code: 1, output: expect.stringContaining('it would be refused again') as string });
    expect(await stored()).toEqual([]);
    expect(await world.retry({ file: world.corrected(typed('{"to":1}')) })).toMatchObject({ code: 0 });
    expect(await stored()).toEqual([typed('{"to":1}')]);
  });

  describe('that was killed', () => {
    /** As a retry leaves it that is killed after its append: with a marker `begun`, and none `stored`. */
    async function killed(world: World): Promise<void> {
      expect((await world.retry()).code).toBe(0);
      rmSync(markerPath(world, 'stored'));
    }

    function markerPath(world: World, state: 'begun' | 'stored'): string {
      const key = retryMarkerKey('quarantine/', { id: world.ids[0] ?? '', attempt: 1, state });
      return join(world.directory, 'objects', key);
    }

    test('after its append: it is listed as begun, and the next one finishes it without storing it twice', async () => {
      const world = new World([{ body: EVENT, index: 0 }]);
      await killed(world);
      expect((await world.run(LIST)).output).toContain('"retry":"begun"');
      expect(await world.retry()).toMatchObject({ code: 0 });
      expect(await stored()).toEqual([EVENT]);
      expect((await world.run(LIST)).output).toContain('"retry":"stored"');
    });

    test('before its append: the next one stores it', async () => {
      const world = new World([{ body: EVENT, index: 0 }]);
      await killed(world);
      await client.del(KEYS.chunks, KEYS.taken, KEYS.left, KEYS.backlog);
      const [writer = ''] = await client.hkeys(KEYS.writers);
      await client.hset(KEYS.writers, writer, `0 new ${Date.now()}`);
      expect(await world.retry()).toMatchObject({ code: 0 });
      expect(await stored()).toEqual([EVENT]);
    });

    test('with other content: it is not mixed up with it', async () => {
      const world = new World([{ body: EVENT, index: 0 }]);
      await killed(world);
      const other = await world.retry({ file: world.corrected(EVENT.replace('"1"', '"2"')) });
      expect(other).toMatchObject({
        code: 1,
        output: expect.stringContaining('a retry with other content began') as string,
      });
      expect(await stored()).toEqual([EVENT]);
    });

    test('long ago: nobody knows whether it stored the event, and it is refused until it is asked for again', async () => {
      const world = new World([{ body: EVENT, index: 0 }]);
      await killed(world);
      await client.del(KEYS.writers);
      const refused = await world.retry();
      expect(refused).toMatchObject({ code: 1, output: expect.stringContaining('it is not known whether') as string });
      expect(await stored()).toEqual([EVENT]);
      expect(await world.retry({ again: true })).toMatchObject({ code: 0 });
      expect(await stored()).toEqual([EVENT, EVENT]);
    });

    test('before its appends, and lanes and dedupe_window change: each event is stored once, in its lane', async () => {
      const world = new World([{}], { lanes: 3, dedupe_window: '1h' });
      const events = ['1', '2', '3', '4', '5', '6'].map((id) => EVENT.replace('"1"', `"${id}"`));
      const file = world.corrected(`[${events.join()}]`);
      expect((await world.retry({ file })).code).toBe(0);
      rmSync(markerPath(world, 'stored'));
      const lanes = [0, 1, 2].map((lane) => laneKeys('quarantined', lane));
      for (const { chunks, taken, left, backlog, writers } of lanes) {
        await client.del(chunks, taken, left, backlog);
        for (const writer of await client.hkeys(writers)) await client.hset(writers, writer, `0 new ${Date.now()}`);
      }
      world.change({ lanes: 1, dedupe_window: 0 });
      expect(await world.retry({ file })).toMatchObject({ code: 0 });
      const bodies = await Promise.all(lanes.map(({ chunks }) => client.xrange(chunks, '-', '+')));
      const lines = bodies.flat().flatMap(([, fields]) => (fields[fields.indexOf('b') + 1] ?? '').trim().split('\n'));
      expect(lines.sort()).toEqual(events);
    });

    test('while the backlog was full: the next one offers it again', async () => {
      const world = new World([{ body: EVENT, index: 0 }]);
      await killed(world);
      await client.del(KEYS.chunks, KEYS.taken, KEYS.left, KEYS.backlog);
      const [writer = ''] = await client.hkeys(KEYS.writers);
      await client.hset(KEYS.writers, writer, `3 full ${Date.now()}`);
      expect(await world.retry()).toMatchObject({ code: 0 });
      expect(await stored()).toEqual([EVENT]);
    });
  });

  test('with dedupe_window, in several lanes: what was stored before is not stored again', async () => {
    const world = new World([{}], { lanes: 3, dedupe_window: '1h' });
    const events = ['1', '2', '3', '4'].map((id) => EVENT.replace('"1"', `"${id}"`));
    const file = world.corrected(`[${events.join()}]`);
    expect((await world.retry({ file })).code).toBe(0);
    const again = await world.retry({ file, again: true });
    expect(again.output).toContain('4 had been stored within dedupe_window');
    const chunks = await Promise.all([0, 1, 2].map((lane) => client.xlen(laneKeys('quarantined', lane).chunks)));
    expect(chunks.filter((count) => count > 0).length).toBeGreaterThan(1);
  });
});

test('in a bucket of S3, under the policy that `iam --for quarantine` prints', async () => {
  const keys = { bucket: 'mybucket', accessKeyId: 'AKIAFAKE', secretAccessKey: 'secret' };
  const s3 = await startS3(keys);
  try {
    const files = new World([{ body: EVENT, index: 0 }]);
    const config = loadConfig({
      env: {},
      overrides: {
        data_dir: files.directory,
        bucket: 'mybucket',
        region: 'us-east-1',
        endpoint: s3.url,
        'aws.access_key_id': keys.accessKeyId,
        'aws.secret_access_key': keys.secretAccessKey,
        sink_name: 'quarantined',
        'redis.url': redis.url,
        max_backlog_bytes: '16MiB',
        receipts_max: 1000,
        max_fingerprints: 1000,
      },
      readText: () => 'missing',
    });
    s3.setPermissions({ policy: JSON.parse(iamText(config, { uses: ['quarantine'], earlierPrefixes: [] })) as never });
    const id = files.ids[0] ?? '';
    for (const name of readdirSync(join(files.directory, 'objects'), { recursive: true, encoding: 'utf8' })) {
      if (name.endsWith('.ndjson')) s3.plant(name, readFileSync(join(files.directory, 'objects', name)));
    }
    const run = async (command: QuarantineCommand): Promise<[number, string]> => {
      let output = '';
      const code = await runQuarantine(
        config,
        command,
        (text) => void (output += String(text)),
        AbortSignal.timeout(30_000),
      );
      return [code, output];
    };
    expect(await run(LIST)).toEqual([0, expect.stringContaining(id) as string]);
    const retry = { action: 'retry', id, file: null, again: false } as const;
    expect(await run(retry)).toEqual([0, expect.stringContaining('its event is stored') as string]);
    expect(await run(retry)).toEqual([1, expect.stringContaining('--again') as string]);
    expect(await stored()).toEqual([EVENT]);
    expect(s3.requests().filter(({ status }) => status === 403)).toEqual([]);
    s3.setPermissions('none');
    expect(await run(LIST)).toEqual([2, expect.stringContaining('remedy:') as string]);
  } finally {
    await s3.stop();
  }
});
