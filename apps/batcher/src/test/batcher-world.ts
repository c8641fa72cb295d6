import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { builtInRoutes, DEFAULT_ROUTE, type SegmentRecord } from '@sink/domain';
import { BatcherLane, GROUP, IngestLane, IoredisPort } from '@sink/lane';
import { Registry } from '@sink/runtime';
import { type InstanceSpool, NODE_FILE_SYSTEM, SpoolDirectory } from '@sink/spool';
import { type RedisServer, startRedis, temporaryDirectory } from '@sink/testing';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { composeBatcher } from '../compose.ts';
import type { BatcherInstance } from '../instance/instance.ts';
import { BatcherMetrics } from '../metrics.ts';
import type { BatcherPorts } from '../ports.ts';
import { BATCHER_LIMITS, type BatcherSettings } from '../settings.ts';
import { HookedPort } from './hooked-port.ts';
import { TestClock } from './test-clock.ts';

export const SINK = 'test';
/** Half past ten: the partition of all chunks that name none is the current one. */
export const NOW_MS = Date.UTC(2026, 10, 23, 10, 30);
export const PARTITION = '2026/11/23/10';

export interface ChunkToAppend {
  /** Default: the default route. */
  readonly route?: string;
  readonly partition?: string;
  readonly acceptedAtMs?: number;
  readonly lines?: readonly string[];
}

export interface BatcherOptions extends Partial<BatcherSettings> {
  readonly consumer?: string;
  readonly spoolDir?: string;
}

/** As a service has them, but faster. */
const SETTINGS: BatcherSettings = {
  ...BATCHER_LIMITS,
  sinkName: SINK,
  lanes: 1,
  routes: builtInRoutes({ bucket: 'events', prefix: '', quarantinePrefix: 'quarantine/' }),
  compression: 'none',
  compressionLevel: undefined,
  flushSize: 1_000,
  flushBytes: 10_000_000,
  targetObjectBytes: null,
  scheduledIntervalMs: 60_000,
  idleIntervalMs: null,
  openFilesMax: 64,
  openBytesMax: 64 * 1024 * 1024,
  leaseMs: 2_000,
  barrier: { waitaof: false, replicas: 0, timeoutMs: 0 },
  backlogBytesMax: 1_000_000_000,
  spillAtBytes: null,
  spoolBytesMax: null,
  reserveBytes: null,
  readBlockMs: 20,
  readGatherMs: 2,
  claimEveryMs: 50,
  auditEveryMs: 200,
  scrubEveryMs: 100,
  flushLookEveryMs: 20,
  roomLookEveryMs: 20,
  // Tests tidy when it is time to.
  housekeepingEveryMs: 3_600_000,
};

/** What a batcher reported. */
export interface Reported {
  readonly foreign: { id: string; problem: string }[];
  readonly claimed: { from: string; chunks: number }[];
  readonly recovering: unknown[];
  readonly sealingFailed: unknown[];
  restored: number;
}

/** One batcher instance on lane 0, in this process. */
export interface RunningBatcher {
  readonly consumer: string;
  readonly reported: Reported;
  readonly uploads: string[];
  /** What readiness was told last, by name; null: it is no problem any more. */
  readonly problems: ReadonlyMap<string, string | null>;
  /** Its commands, but for the reads that wait. */
  readonly redis: HookedPort;
  readonly openPaths: () => number;
  readonly openFiles: () => number;
  readonly openBytes: () => number;
  readonly isClosing: (segmentId: string) => boolean;
  readonly closeEarly: () => void;
  /** Changes settings while it runs, as a reload of the configuration does. */
  readonly change: (changed: Partial<BatcherSettings>) => void;
  /** Settles as the instance's run does. */
  readonly ended: Promise<'stopped' | 'lease_lost'>;
  /** As SIGTERM. */
  stop(): Promise<'stopped' | 'lease_lost'>;
  /** As SIGKILL, as far as others can see: its connections are gone, and it never gets an answer again. */
  kill(): void;
}

/** A real Redis, a real spool directory, and batchers on them. Every test starts with an empty, open lane. */
export class BatcherWorld {
  server!: RedisServer;
  redis!: Redis;
  lane!: BatcherLane;
  ingest!: IngestLane;
  clock = new TestClock(NOW_MS);
  spoolDir = '';
  /** Whether every batcher of this world finds its disk full. */
  room = { full: false };
  #running: RunningBatcher[] = [];
  readonly #connections: Redis[] = [];
  #spools: WorldSpool[] = [];
  #writer = '';
  #sequence = 0;
  #events = 0;

  constructor(redisArgs: readonly string[] = []) {
    beforeAll(async () => {
      this.server = await startRedis({ args: ['--appendfsync', 'no', ...redisArgs] });
      this.redis = new Redis(this.server.port, this.server.host, { maxRetriesPerRequest: null });
      this.redis.on('error', () => undefined);
      this.lane = new BatcherLane(new IoredisPort(this.redis), SINK, 0);
      this.ingest = new IngestLane(new IoredisPort(this.redis), SINK, 0);
    });
    beforeEach(async () => {
      this.clock = new TestClock(NOW_MS);
      this.spoolDir = join(temporaryDirectory('batcher'), 'spool');
      this.#events = 0;
      this.room.full = false;
      await this.redis.flushall();
      await this.open();
    });
    afterEach(async () => {
      for (const batcher of this.#running) batcher.kill();
      await Promise.all(this.#spools.map((spool) => spool.close()));
      this.#spools = [];
      this.#running = [];
      await rm(this.spoolDir, { recursive: true, force: true });
    });
    afterAll(async () => {
      for (const connection of [this.redis, ...this.#connections]) connection.disconnect();
      await this.server.stop();
    });
  }

  /** Opens the lane, as an ingest does. */
  async open(): Promise<void> {
    await this.lane.open('uid1');
    this.#writer = await this.ingest.registerWriter('n');
    this.#sequence = 0;
  }

  /** Appends a chunk of `count` events with ids that count up; returns its id. Appends of one tick are pipelined. */
  async append(count: number, chunk: ChunkToAppend = {}): Promise<string> {
    const lines = chunk.lines ?? Array.from({ length: count }, () => JSON.stringify({ id: this.#events++ }));
    const body = lines.map((line) => `${line}\n`).join('');
    const answer = this.ingest.append({
      writer: this.#writer,
      sequence: ++this.#sequence,
      entries: [
        {
          ...{ route: chunk.route ?? DEFAULT_ROUTE, path: chunk.partition ?? PARTITION },
          ...{ count, body, bytes: Buffer.byteLength(body) },
        },
      ],
      furtherBytes: 0,
      acceptedAtMs: chunk.acceptedAtMs ?? this.clock.wallMs(),
      backlogBytesMax: 1e9,
    });
    const last = this.redis.call('XREVRANGE', this.lane.keys.chunks, '+', '-', 'COUNT', 1) as Promise<[string][]>;
    const stored = await answer;
    if (stored !== 'stored') throw new Error(`append answered ${stored}`);
    return (await last)[0]?.[0] ?? '';
  }

  /** The lane on a connection as the services have it: a call fails where Redis is away. */
  strictLane(): BatcherLane {
    const connection = strictConnection(this.server);
    this.#connections.push(connection);
    return new BatcherLane(new IoredisPort(connection), SINK, 0);
  }

  /** Events appended so far; their ids are all smaller. */
  get events(): number {
    return this.#events;
  }

  batcher(options: BatcherOptions = {}): RunningBatcher {
    const running = startInstance(this, options);
    this.#running.push(running);
    return running;
  }

  /** Sealed segments, in the order of their chunks. */
  async records(): Promise<SegmentRecord[]> {
    const all = await this.redis.hvals(this.lane.keys.records);
    const records = all.map((json) => JSON.parse(json) as SegmentRecord);
    const place = ({ slices: [first] }: SegmentRecord): number[] => [
      ...(first?.[0] ?? '').split('-').map(Number),
      first?.[1] ?? 0,
    ];
    return records.sort((a, b) => {
      const [from, other] = [place(a), place(b)];
      return from.map((part, index) => part - (other[index] ?? 0)).find((difference) => difference !== 0) ?? 0;
    });
  }

  /** Counts of the events in each sealed segment. */
  async counts(): Promise<number[]> {
    return (await this.records()).map(({ count }) => count);
  }

  /** The lines of a segment's file, which is whole. */
  async lines(record: SegmentRecord, directory = this.spoolDir): Promise<string[]> {
    const file = await new SpoolDirectory(directory).open(record.spool, record.id);
    if (!file) throw new Error(`segment ${record.id} has no file`);
    if (!(await file.verify())) throw new Error(`segment ${record.id} is damaged`);
    return (await file.read()).toString('utf8').trimEnd().split('\n');
  }

  /** The spool directory, on a disk that is as full as this world says. */
  spool(path = this.spoolDir): SpoolDirectory {
    const disk = async (): Promise<{ freeBytes: number; totalBytes: number }> => ({
      freeBytes: this.room.full ? 0 : 1e12,
      totalBytes: 1e12,
    });
    const spool = new WorldSpool(path, { ...NODE_FILE_SYSTEM, disk });
    this.#spools.push(spool);
    return spool;
  }

  /** Event ids in all sealed segments by their slices, in order: what would be in S3 if all were uploaded. */
  async sealedEvents(): Promise<number[]> {
    const ids: number[] = [];
    for (const { slices } of await this.records()) {
      for (const [chunk, from, to] of slices) {
        const entry = await this.lane.entry(chunk);
        if (entry.kind !== 'chunk') throw new Error(`chunk ${chunk} is gone`);
        const lines = entry.chunk.body.toString('utf8').trimEnd().split('\n').slice(from, to);
        ids.push(...lines.map((line) => (JSON.parse(line) as { id: number }).id));
      }
    }
    return ids.sort((a, b) => a - b);
  }

  /** All ids that were appended. */
  get everyEvent(): number[] {
    return Array.from({ length: this.#events }, (_, id) => id);
  }

  async pending(): Promise<number> {
    const [count] = (await this.redis.call('XPENDING', this.lane.keys.chunks, GROUP)) as [number];
    return count;
  }

  /** Fills Redis with foreign keys until it refuses more; the returned function deletes them. */
  async fillMemory(): Promise<() => Promise<void>> {
    const keys: string[] = [];
    for (const bytes of [100_000, 10_000, 100]) {
      for (let n = 0; ; n++) {
        const key = `foreign:${bytes}:${n}`;
        const refused = await this.redis.set(key, 'x'.repeat(bytes)).then(
          () => false,
          () => true,
        );
        if (refused) break;
        keys.push(key);
      }
    }
    return async () => {
      await this.redis.del(keys);
    };
  }
}

/** A spool directory that closes what a killed batcher left open. */
class WorldSpool extends SpoolDirectory {
  readonly #instances: InstanceSpool[] = [];

  override instance(instance: string): InstanceSpool {
    const spool = super.instance(instance);
    this.#instances.push(spool);
    return spool;
  }

  async close(): Promise<void> {
    await Promise.all(this.#instances.map((instance) => instance.close()));
  }
}

function startInstance(world: BatcherWorld, options: BatcherOptions): RunningBatcher {
  const connections = [strictConnection(world.server), strictConnection(world.server)] as const;
  const redis = new HookedPort(new IoredisPort(connections[0]));
  const consumer = options.consumer ?? `b-${randomUUID().slice(0, 8)}`;
  const reported: Reported = { foreign: [], claimed: [], recovering: [], sealingFailed: [], restored: 0 };
  const uploads: string[] = [];
  const problems = new Map<string, string | null>();
  const metrics = new BatcherMetrics(new Registry());
  const leaseMs = options.leaseMs ?? 2_000;
  const settings: BatcherSettings = { ...SETTINGS, renewalsPerLease: 5, ...options, leaseMs };
  const ports: BatcherPorts = {
    redis,
    openReader: () => ({ redis: new IoredisPort(connections[1]), close: () => connections[1].disconnect() }),
    spool: world.spool(options.spoolDir),
    uploads: { add: async (_lane, id) => void uploads.push(id) },
    spilledUploads: () => ({ add: async () => undefined }),
    clock: world.clock,
    // The longest waits.
    random: () => 0.999,
    ids: { consumer: () => consumer, segment: () => `s-${randomUUID()}`, laneUid: () => 'uid2' },
    metrics,
    log: logInto(reported),
    readiness: { set: (name, problem) => void problems.set(name, problem) },
    reporter: (name) => ({
      failed: ({ err }) => void (name.startsWith('sealing') ? reported.sealingFailed : reported.recovering).push(err),
      succeeded: () => undefined,
    }),
  };
  const stop = new AbortController();
  let instance: BatcherInstance | null = null;
  const run = async (): Promise<'stopped' | 'lease_lost'> => {
    await Promise.all(connections.map(ready));
    const batcher = await composeBatcher(ports, settings);
    const watching = batcher.room.watchUntil(stop.signal);
    try {
      instance = await batcher.openInstance(consumer);
      return await instance.run(stop.signal);
    } finally {
      stop.abort();
      await watching;
      for (const connection of connections) connection.disconnect();
    }
  };
  const ended = run();
  ended.catch(() => undefined);
  return {
    consumer,
    reported,
    uploads,
    problems,
    redis,
    ended,
    openPaths: () => metrics.openPaths,
    openFiles: () => metrics.openFiles,
    openBytes: () => metrics.openBytes,
    isClosing: (id) => instance?.isClosing(id) ?? false,
    closeEarly: () => instance?.closeEarly(),
    change: (changed) => void Object.assign(settings, changed),
    stop: () => {
      stop.abort();
      return ended;
    },
    kill: () => {
      redis.before = () => new Promise(() => undefined);
      for (const connection of connections) connection.disconnect();
      stop.abort();
    },
  };
}

/** Keeps of the log what the tests ask for. */
function logInto(reported: Reported): BatcherPorts['log'] {
  const note = (fields: Record<string, unknown>): void => {
    if (typeof fields['problem'] === 'string' && typeof fields['id'] === 'string')
      reported.foreign.push({ id: fields['id'], problem: fields['problem'] });
    else if (typeof fields['from'] === 'string')
      reported.claimed.push({ from: fields['from'], chunks: Number(fields['chunks']) });
    else if (typeof fields['chunks'] === 'number') reported.restored += fields['chunks'];
  };
  return { debug: () => undefined, info: note, warn: note, error: note } as never;
}

async function ready(client: Redis): Promise<void> {
  if (client.status !== 'ready') await new Promise<void>((resolve) => client.once('ready', () => resolve()));
}

function strictConnection({ host, port }: RedisServer): Redis {
  const connection = new Redis({
    host,
    port,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    commandTimeout: 2_000,
    retryStrategy: () => 20,
  });
  return connection.on('error', () => undefined);
}
