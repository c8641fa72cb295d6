import {
  DEFAULT_ROUTE,
  type PlainReceipt,
  type PlainSegment,
  RECEIPT_VERSION,
  RECORD_VERSION,
  type Slice,
} from '@sink/domain';
import { type RedisOptions as ServerOptions, type RedisServer, startRedis } from '@sink/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { BatcherLane } from '../batcher-lane.ts';
import { IngestLane } from '../ingest-lane.ts';
import { IoredisPort } from '../ioredis-port.ts';
import { LaneView } from '../lane-view.ts';
import type { RedisPort } from '../port.ts';
import type { StreamEntry } from '../reply.ts';
import type { AppendEntry, AppendRequest } from '../steps/append.ts';
import { UploaderLane } from '../uploader-lane.ts';

const SINK = 'sink';
const UID = 'uid1';

export interface ClientOptions {
  readonly protocol?: 2 | 3;
  readonly replyMapping?: 'legacy' | 'resp3';
  readonly commandTimeout?: number;
  readonly username?: string;
  readonly password?: string;
}

/** A client as the services have it: it neither resends, nor retries, nor queues. */
export function strictClient(server: { host: string; port: number }, options: ClientOptions = {}): Redis {
  const client: Redis = new Redis({
    host: server.host,
    port: server.port,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    retryStrategy: () => 20,
    ...options,
  });
  client.on('error', () => undefined);
  return client;
}

export async function ready(client: Redis): Promise<Redis> {
  if (client.status !== 'ready') await new Promise<void>((resolve) => client.once('ready', () => resolve()));
  return client;
}

export function ndjson(count: number, text = 'event'): string {
  return Array.from({ length: count }, (_, index) => `{"id":"${text}-${index}"}\n`).join('');
}

/** An entry of `count` events, of the default route. */
export function entryOf(
  count: number,
  { body = ndjson(count), route = DEFAULT_ROUTE, path = '2026/11/23/10', origins, marks }: EntryFields = {},
): AppendEntry {
  return { route, path, count, body, bytes: Buffer.byteLength(body), origins, marks };
}
type EntryFields = { readonly [Name in keyof AppendEntry]?: AppendEntry[Name] | undefined };

export type PlainRecord = PlainSegment & { readonly slices: readonly Slice[] };

export function recordOf(id: string, slices: readonly Slice[], more: Partial<PlainRecord> = {}): PlainRecord {
  return {
    v: RECORD_VERSION,
    id,
    key: `2026/11/23/10/${id}`,
    partition: '2026/11/23/10',
    slices,
    count: slices.reduce((sum, [, from, to]) => sum + to - from, 0),
    bytes: 1,
    sha256: 'ab'.repeat(32),
    compression: 'none',
    spool: 'b1',
    acceptedAtMs: 1_795_430_000_000,
    sealedAtMs: 1_795_430_000_001,
    ...more,
  };
}

export function receiptOf(id: string): PlainReceipt {
  return {
    v: RECEIPT_VERSION,
    id,
    key: `2026/11/23/10/${id}`,
    etag: '"e"',
    count: 1,
    bytes: 1,
    objectBytes: 1,
    sha256: 'ab'.repeat(32),
    acceptedAtMs: 1,
    sealedAtMs: 2,
    storedAtMs: 3,
  };
}

/** One lane as each role sees it. */
export interface Roles {
  readonly lane: LaneView;
  readonly ingest: IngestLane;
  readonly batcher: BatcherLane;
  readonly uploader: UploaderLane;
}

export function rolesOn(redis: RedisPort, number = 0): Roles {
  return {
    lane: new LaneView(redis, SINK, number),
    ingest: new IngestLane(redis, SINK, number),
    batcher: new BatcherLane(redis, SINK, number),
    uploader: new UploaderLane(redis, SINK, number),
  };
}

/** One lane on a real Redis of the test file; every test starts with an empty Redis and an open lane. */
export class LaneWorld implements Roles {
  server!: RedisServer;
  redis!: Redis;
  lane!: LaneView;
  ingest!: IngestLane;
  batcher!: BatcherLane;
  uploader!: UploaderLane;
  port!: IoredisPort;
  writer = '';
  #sequence = 0;

  constructor(options: ServerOptions = {}) {
    beforeAll(async () => {
      this.server = await startRedis(options);
      this.redis = await ready(strictClient(this.server));
      this.port = new IoredisPort(this.redis);
      Object.assign(this, rolesOn(this.port));
    });
    beforeEach(async () => {
      await this.redis.flushall();
      await this.batcher.open(UID);
      this.writer = await this.ingest.registerWriter('n');
      this.#sequence = 0;
    });
    afterAll(async () => {
      this.redis.disconnect();
      await this.server.stop();
    });
  }

  /** The append of one chunk; `more` changes it, or its entry. */
  request(count: number, more: Partial<AppendRequest & AppendEntry> = {}): AppendRequest {
    this.#sequence += 1;
    const { route, path, body = ndjson(count, `${this.#sequence}`), origins, marks, ...rest } = more;
    return {
      writer: this.writer,
      sequence: this.#sequence,
      entries: [entryOf(count, { body, route, path, origins, marks })],
      furtherBytes: 0,
      acceptedAtMs: 1_795_430_000_000,
      backlogBytesMax: 100_000_000,
      ...rest,
    };
  }

  /** Appends a chunk and returns its id. */
  async append(count: number, more: Partial<AppendRequest & AppendEntry> = {}): Promise<string> {
    const answer = await this.ingest.append(this.request(count, more));
    if (answer !== 'stored') throw new Error(`append answered ${answer}`);
    const [last] = await this.redis.xrevrange(this.lane.keys.chunks, '+', '-', 'COUNT', 1);
    if (!last) throw new Error('nothing was appended');
    return last[0];
  }

  async read(consumer = 'b1', count = 1_000): Promise<StreamEntry[]> {
    return this.batcher.read(consumer, count, 0);
  }

  /** Seals a segment of these slices; the chunks that the refusal names, or null when it is sealed. */
  async seal(id: string, slices: readonly Slice[], more: Partial<PlainRecord> = {}): Promise<readonly string[] | null> {
    const record = recordOf(id, slices, more);
    const answer = await this.batcher.seal(record, JSON.stringify(record));
    return answer.kind === 'sealed' ? null : answer.chunks;
  }

  async pending(consumer?: string): Promise<string[]> {
    const owner = consumer === undefined ? [] : [consumer];
    const page = await this.redis.call('xpending', this.lane.keys.chunks, 'batchers', '-', '+', 10_000, ...owner);
    return (page as [string][]).map(([id]) => id);
  }

  /** Everything that is in Redis, to see that a step changed nothing. */
  async everything(): Promise<Record<string, string>> {
    const keys = (await this.redis.keys('*')).sort();
    const dumps = await Promise.all(keys.map((key) => this.redis.dumpBuffer(key)));
    return Object.fromEntries(keys.map((key, index) => [key, dumps[index]?.toString('base64') ?? '']));
  }

  /** Fills Redis with keys of other software until it refuses more. */
  async fillMemory(): Promise<void> {
    for (const bytes of [100_000, 10_000, 100]) {
      for (let n = 0; ; n++) {
        const refused = await this.redis.set(`foreign:${bytes}:${n}`, 'x'.repeat(bytes)).then(
          () => false,
          (error: unknown) => error instanceof Error && error.message.startsWith('OOM'),
        );
        if (refused) break;
      }
    }
  }
}
