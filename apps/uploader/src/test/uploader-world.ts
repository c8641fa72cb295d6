import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigInForce, type SinkConfig } from '@sink/config';
import {
  type Compression,
  DEFAULT_ROUTE,
  objectKey,
  QUARANTINE_ROUTE,
  RECORD_VERSION,
  ROUTED_RECORD_VERSION,
  type RoutedSegment,
  type SegmentRecord,
  type Slice,
  spoolCompressionOf,
} from '@sink/domain';
import { BatcherLane, IngestLane, IoredisPort, UploaderLane } from '@sink/lane';
import {
  createLogger,
  Readiness,
  Registry,
  type ServiceContext,
  Shutdown,
  silentLog,
  systemClock,
  WorkerReports,
} from '@sink/runtime';
import { compressContent, SpoolDirectory } from '@sink/spool';
import { type FakeS3, type RedisServer, startRedis, startS3, temporaryDirectory } from '@sink/testing';
import { UploadQueue } from '@sink/uploads';
import { Redis } from 'ioredis';
import { afterAll, afterEach, expect } from 'vitest';
import type { UploaderSettings } from '../settings.ts';
import { startUploader } from '../start.ts';

export const SINK = 'test';
const PARTITION = '2026/11/23/10';
const BUCKET = { bucket: 'events', accessKeyId: 'AKIDTEST', secretAccessKey: 'secret-of-the-test' };
/** A second bucket on the same server, in which records of version 2 can be. */
export const OTHER_BUCKET = 'audit';

/** Everything within tenths of a second. */
export const FAST: Partial<UploaderSettings> = {
  sweepEveryMs: 100,
  retry: { baseMs: 20, capMs: 200, slowMs: 200 },
  breaker: { failuresMin: 5, baseMs: 50, capMs: 200 },
  trial: null,
  manifestGraceMs: 0,
  lockMs: 1_000,
};

/** One uploader service in this process, and what a test asks of it. */
export interface RunningUploader {
  readonly problems: () => Record<string, string>;
  readonly metric: (name: string, labels?: Record<string, string>) => Promise<number>;
  readonly log: () => string;
  readonly failures: readonly unknown[];
  /** Reads the configuration file (`liveText`) again. */
  reload(): 'applied' | 'rejected';
  /** As SIGTERM; resolves when everything has stopped. */
  stop(): Promise<void>;
}

export interface SegmentToSeal {
  readonly lane?: number;
  /** Lines of each chunk; the segment takes them all. */
  readonly chunks?: readonly (readonly string[])[];
  readonly compression?: Compression;
  /** A record of version 2, of quarantine unless this says otherwise. */
  readonly routed?: Partial<RoutedSegment>;
  /** Whether the spool file is there too; default true. */
  readonly file?: boolean;
}

export interface SealedSegment {
  readonly record: SegmentRecord;
  readonly content: Buffer;
  /** The bytes that have to be in the bucket. */
  readonly object: Buffer;
}

/** `left()` when everything is committed. */
export const NOTHING = { segments: 0, events: 0, bytes: 0, chunks: 0, jobs: 0 };

/** A world for the tests of one file: it is emptied after each test, which must not have overwritten an object. */
export async function worldOfFile(): Promise<UploaderWorld> {
  const world = await UploaderWorld.start();
  afterEach(async () => {
    expect(world.s3.overwrites()).toEqual([]);
    await world.reset();
  });
  afterAll(() => world.stop());
  return world;
}

/** A real Redis, an S3 and a data directory; the batcher's part is done by hand, through the shipped steps. */
export class UploaderWorld {
  readonly redis: RedisServer;
  readonly s3: FakeS3;
  readonly admin: Redis;
  readonly queue: UploadQueue;
  dataDir = temporaryDirectory('uploader');
  /** The configuration file: for what a test changes while an uploader runs. */
  liveText = '';
  readonly #running: RunningUploader[] = [];

  static async start(): Promise<UploaderWorld> {
    return new UploaderWorld(
      await startRedis(),
      await startS3({ ...BUCKET, otherBuckets: [OTHER_BUCKET], objectLock: true }),
    );
  }

  private constructor(redis: RedisServer, s3: FakeS3) {
    this.redis = redis;
    this.s3 = s3;
    const connect = (): Redis =>
      new Redis(redis.port, redis.host, { maxRetriesPerRequest: null }).on('error', () => undefined);
    this.admin = connect();
    this.queue = new UploadQueue(connect(), SINK, { log: silentLog });
  }

  get spoolDir(): string {
    return join(this.dataDir, 'spool');
  }

  get spool(): SpoolDirectory {
    return new SpoolDirectory(this.spoolDir);
  }

  lane(number = 0): UploaderLane {
    return new UploaderLane(new IoredisPort(this.admin), SINK, number);
  }

  /** The same lane, as a batcher sees it. */
  batcherLane(number = 0): BatcherLane {
    return new BatcherLane(new IoredisPort(this.admin), SINK, number);
  }

  /** Empties everything between two tests. */
  async reset(): Promise<void> {
    await Promise.all(this.#running.splice(0).map((uploader) => uploader.stop()));
    await this.admin.config('SET', 'maxmemory', '256mb');
    await this.admin.flushall();
    this.s3.clear();
    this.s3.setPermissions('all');
    this.s3.setBucketExists(true);
    this.dataDir = temporaryDirectory('uploader');
  }

  async stop(): Promise<void> {
    await this.reset();
    await this.queue.close();
    this.admin.disconnect();
    await this.s3.stop();
    await this.redis.stop();
  }

  /** Appends, reads, spools and seals, as ingest and batcher do; the job is not queued. */
  async seal(segment: SegmentToSeal = {}): Promise<SealedSegment> {
    const { chunks = [['{"id":"1"}', '{"id":"2"}'], ['{"id":"3"}']], compression = 'none', file = true } = segment;
    const lane = this.batcherLane(segment.lane);
    const ingest = new IngestLane(new IoredisPort(this.admin), SINK, lane.number);
    const laneUid = await lane.open(randomBytes(8).toString('hex'));
    const writer = await ingest.registerWriter('n');
    const consumer = `b-${randomUUID()}`;
    const acceptedAtMs = Date.now();
    for (const [index, lines] of chunks.entries()) {
      const body = lines.map((line) => `${line}\n`).join('');
      const chunk = { count: lines.length, body, bytes: Buffer.byteLength(body) };
      const entries = [{ route: DEFAULT_ROUTE, path: PARTITION, ...chunk }];
      const request = { writer, sequence: index + 1, entries, furtherBytes: 0, acceptedAtMs, backlogBytesMax: 1e9 };
      await ingest.append(request);
    }
    const entries = await lane.read(consumer, chunks.length, 0);
    const slices = entries.map((entry): Slice => [entry.id, 0, entry.kind === 'chunk' ? entry.chunk.count : 0]);
    const content = Buffer.from(chunks.flatMap((lines) => lines.map((line) => `${line}\n`)).join(''));
    const sha256 = createHash('sha256').update(content).digest('hex');
    const [first = ['0-0', 0, 0] as const] = slices;
    const { routed } = segment;
    const prefix = routed === undefined ? '' : 'quarantine/';
    const facts = {
      id: randomUUID(),
      key: objectKey({ prefix, path: routed?.path ?? PARTITION, laneUid, first, sha256, compression }),
      ...{ slices, count: slices.reduce((sum, [, , to]) => sum + to, 0) },
      ...{ bytes: content.length, sha256, compression, spool: consumer, acceptedAtMs, sealedAtMs: Date.now() },
    };
    const record: SegmentRecord =
      routed === undefined
        ? { v: RECORD_VERSION, partition: PARTITION, ...facts }
        : {
            ...{ v: ROUTED_RECORD_VERSION, route: QUARANTINE_ROUTE, path: PARTITION, bucket: BUCKET.bucket },
            ...{ format: 'jsonl', spoolCompression: compression, ...facts, ...routed },
          };
    if (file) await this.spoolFile(record, content);
    const answer = await lane.seal(record, JSON.stringify(record));
    if (answer.kind !== 'sealed') throw new Error(`sealing was refused: ${answer.chunks.join()}`);
    const { body } = await compressContent([content], compression);
    return { record, content, object: body };
  }

  /** Seals, and releases into this world's spool directory, as a batcher under pressure does; the job is not queued. */
  async spill(segment: SegmentToSeal = {}): Promise<SealedSegment & { spoolId: string }> {
    const sealed = await this.seal(segment);
    const spoolId = await this.spool.id();
    if (!(await this.spool.mark(sealed.record.spool, sealed.record.id))) throw new Error('it has no file');
    const answer = await this.batcherLane(segment.lane).release(sealed.record, spoolId);
    if (answer !== 'released') throw new Error(`releasing answered ${answer}`);
    return { ...sealed, spoolId };
  }

  async sealAndQueue(segment: SegmentToSeal = {}): Promise<SealedSegment> {
    const sealed = await this.seal(segment);
    await this.queue.add(segment.lane ?? 0, sealed.record.id);
    return sealed;
  }

  /** Writes a sealed spool file for this record, with this content. */
  async spoolFile(record: SegmentRecord, content: Buffer, recordJson = JSON.stringify(record)): Promise<void> {
    const writer = await this.spool
      .instance(record.spool)
      .createSegment({ segmentId: record.id, compression: spoolCompressionOf(record) });
    await writer.write(content);
    await writer.finish();
    await writer.seal(recordJson);
  }

  spoolPath(record: SegmentRecord, state: 'segment' | 'spilled' = 'segment'): string {
    return join(this.spoolDir, record.spool, `${record.id}.${state}`);
  }

  async spoolFiles(record: SegmentRecord): Promise<string[]> {
    return readdir(join(this.spoolDir, record.spool)).catch(() => []);
  }

  /** Files of objects that were rebuilt on disk. */
  async rebuiltFiles(): Promise<string[]> {
    const entries = await readdir(join(this.dataDir, 'rebuilt'), { recursive: true }).catch(() => []);
    return entries.filter((name) => name.includes('.'));
  }

  /** Records in Redis, and jobs in whatever state: none when all is quiet. */
  async left(lane = 0): Promise<{ segments: number; events: number; bytes: number; chunks: number; jobs: number }> {
    const { segments, events, bytes } = await this.lane(lane).backlog();
    const { waiting, active, delayed, failed } = await this.queue.counts();
    const chunks = await this.admin.xlen(this.lane(lane).keys.chunks);
    return { segments, events, bytes, chunks, jobs: waiting + active + delayed + failed };
  }

  config(overrides: Record<string, unknown> = {}): SinkConfig {
    return this.inForce(overrides).config;
  }

  /** `liveText` is the configuration file; `overrides` beat it. */
  inForce(overrides: Record<string, unknown> = {}): ConfigInForce {
    return new ConfigInForce({
      env: { CONNECTOR_CONFIG: '/live.yml' },
      readText: (path) => (path === '/live.yml' ? { text: this.liveText } : 'missing'),
      overrides: {
        ...{ sink_name: SINK, data_dir: this.dataDir, redis: { url: this.redis.url } },
        ...{ bucket: BUCKET.bucket, endpoint: this.s3.url, region: this.s3.region },
        aws: { access_key_id: BUCKET.accessKeyId, secret_access_key: BUCKET.secretAccessKey },
        ...{ stop_grace: '4s', ...overrides },
      },
    });
  }

  async startUploader(
    options: { config?: Record<string, unknown>; times?: Partial<UploaderSettings> } = {},
  ): Promise<RunningUploader> {
    const inForce = this.inForce(options.config);
    const { config } = inForce;
    const lines: string[] = [];
    const log = createLogger({
      service: 'uploader',
      level: 'debug',
      destination: { write: (line) => void lines.push(line) },
    });
    const stopping = new AbortController();
    const failures: unknown[] = [];
    const readiness = new Readiness();
    const registry = new Registry();
    const shutdown = new Shutdown({ deadlineMs: config.stopGraceMs, clock: systemClock, log });
    const context: ServiceContext = {
      ...{
        service: 'uploader',
        args: { configFile: null, alsoReady: [], parentReady: null, workerOf: null },
        config,
        inForce,
        log,
      },
      ...{
        clock: systemClock,
        opsPort: null,
        workers: new WorkerReports(),
        opsPages: new Map(),
        opsActions: new Map(),
        registry,
        readiness,
        shutdown,
        signal: stopping.signal,
      },
      fail: (error) => void failures.push(error),
    };
    readiness.set('starting', null);
    await startUploader(context, { ...FAST, ...options.times });
    const running: RunningUploader = {
      problems: () => readiness.problems(),
      log: () => lines.join(''),
      metric: async (name, labels = {}) => {
        const found = (await registry.getMetricsAsJSON()).find((metric) => metric.name === name);
        const values: { value: number; labels: object; metricName?: string }[] = found?.values ?? [];
        const wanted = Object.entries(labels);
        return values
          .filter(({ metricName }) => metricName === undefined || metricName.endsWith('_count'))
          .filter(({ labels: own }) => wanted.every(([key, value]) => Reflect.get(own, key) === value))
          .reduce((sum, { value }) => sum + value, 0);
      },
      failures,
      reload: () => inForce.reload().kind,
      stop: async () => {
        stopping.abort();
        await shutdown.run();
      },
    };
    this.#running.push(running);
    return running;
  }
}
