import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TimeInterval } from '@sink/domain';
import { type DurabilityBarrier, FINGERPRINT_BYTES, IngestLane, IoredisPort } from '@sink/lane';
import { Registry } from '@sink/runtime';
import { eventually, type Proxy, type RedisServer, startProxy, startRedis } from '@sink/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import { type AppendOutcome, type Part, plainPart } from '../commit/appender.ts';
import { composeIngest, type Ingest } from '../compose.ts';
import { FIXED_SETTINGS } from '../settings.ts';

export interface CommitWorld {
  readonly server: RedisServer;
  readonly proxy: Proxy;
  readonly commit: Ingest;
  /** Past the proxy, for looking at what is stored. */
  readonly lane: IngestLane;
  readonly redis: Redis;
  readonly problems: unknown[];
  readonly crashes: unknown[];
  /** Wall clock of ingest, in milliseconds; starts at 2026-11-23T10:30Z. */
  setWallMs(ms: number): void;
  /** Submits lines; resolves with the outcome and how long it took. The test fails if they are settled twice. */
  submit(...lines: string[]): Promise<Told>;
  /** A submission of several parts. */
  submitParts(...parts: Part[]): Promise<Told>;
  /** A submission whose request has waited for `heldMs` before. */
  submitHeld(heldMs: number, ...lines: string[]): Promise<Told>;
  /** The lines in Redis, a list for each chunk. */
  chunks(): Promise<string[][]>;
  partitions(): Promise<(string | undefined)[]>;
}

export interface Told {
  readonly outcome: AppendOutcome;
  readonly tookMs: number;
}

export interface CommitSettings {
  readonly writers?: number;
  readonly holdMaxMs?: number;
  readonly backlogBytesMax?: number;
  readonly commandTimeoutMs?: number;
  /** The wait before another try; none begins in the last of it before a submission is refused. Default 20. */
  readonly retryWaitMs?: number;
  readonly durability?: DurabilityBarrier;
  readonly timeInterval?: TimeInterval;
}

/** As `startRedis` sets it. */
const MAXMEMORY = '256mb';

interface SharedRedis {
  readonly server: RedisServer;
  readonly proxy: Proxy;
}

/**
 * Worlds for the tests of one file: group commit on a real Redis behind a proxy. All tests of the file share the Redis and
 * the proxy; each gets them empty and without faults, and its own connections are closed at its end.
 */
export function commitWorlds(): (settings?: CommitSettings) => Promise<CommitWorld> {
  let shared: SharedRedis | undefined;
  beforeAll(async () => {
    const server = await startRedis();
    shared = { server, proxy: await startProxy(server) };
  });
  afterAll(async () => {
    await shared?.proxy.close();
    await shared?.server.stop();
  });
  return async (settings = {}) => {
    if (!shared) throw new Error('a world is made in a test');
    await heal(shared);
    return commitWorld(shared, settings);
  };
}

/** Ends every fault that an earlier test caused, also one that failed half-way. */
async function heal({ server, proxy }: SharedRedis): Promise<void> {
  proxy.cut(); // what the proxy still held is lost, not delivered late into the next test
  proxy.blackhole(false);
  proxy.delay(0);
  await proxy.refuse(false);
  await eventually(() => proxy.connections() === 0);
  server.signal('SIGCONT');
  if (!isRunning(server.pid)) await server.restart();
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function commitWorld({ server, proxy }: SharedRedis, settings: CommitSettings): Promise<CommitWorld> {
  const { writers = 1, holdMaxMs = 4_000, backlogBytesMax = 100_000_000, commandTimeoutMs = 300 } = settings;
  const connect = (target: { host: string; port: number }): Redis => {
    const client = new Redis({
      host: target.host,
      port: target.port,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      commandTimeout: commandTimeoutMs,
      retryStrategy: () => 20,
    });
    client.on('error', () => undefined);
    return client;
  };
  const problems: unknown[] = [];
  const crashes: unknown[] = [];
  const clients = Array.from({ length: writers }, () => connect(proxy));
  const redis = new Redis({ host: server.host, port: server.port });
  redis.on('error', () => undefined);
  await Promise.all(
    [...clients, redis].map((client) => new Promise<void>((resolve) => client.once('ready', () => resolve()))),
  );
  await redis.config('SET', 'maxmemory', MAXMEMORY);
  await redis.flushall();

  const unused = [...clients];
  let wallOffsetMs = Date.UTC(2026, 10, 23, 10, 30);
  const ingest = composeIngest(
    {
      connect: () => {
        const client = unused.shift();
        if (!client) throw new Error('there is a connection for each writer');
        return new IoredisPort(client);
      },
      clock: {
        wallMs: () => wallOffsetMs,
        monotonicMs: () => performance.now(),
        sleep: (ms) => sleep(ms),
        soon: (callback) => void setImmediate(callback),
        after: (ms, callback) => {
          const timer = setTimeout(callback, ms);
          return () => clearTimeout(timer);
        },
      },
      registry: new Registry(),
      newUid: () => randomBytes(8).toString('hex'),
      fingerprint: (line) => createHash('sha256').update(line).digest().subarray(0, FINGERPRINT_BYTES),
      failed: (problem) => problems.push(problem),
      crash: (error) => crashes.push(error),
    },
    {
      ...FIXED_SETTINGS,
      sinkName: 'sink',
      lanes: 1,
      writersPerLane: writers,
      timeInterval: settings.timeInterval ?? 'HOURLY',
      holdMaxMs,
      durability: 'fsync',
      barrier: settings.durability ?? { waitaof: false, replicas: 0, timeoutMs: 100 },
      backlogBytesMax,
      retryWaitMs: settings.retryWaitMs ?? 20,
      dedupe: null,
      maxInFlightBytes: 64 * 1024 * 1024,
    },
  );
  onTestFinished(() => {
    for (const client of [...clients, redis]) client.disconnect();
  });
  const lane = new IngestLane(new IoredisPort(redis), 'sink', 0);
  const submitParts = (heldMs: number, parts: readonly Part[]): Promise<Told> =>
    new Promise((resolve, reject) => {
      const startMs = performance.now();
      let times = 0;
      const settled = (outcome: AppendOutcome): void => {
        times += 1;
        if (times > 1) reject(new Error('settled twice'));
        resolve({ outcome, tookMs: performance.now() - startMs });
      };
      ingest.appender.submit(parts, settled, heldMs);
    });
  const entries = () => redis.xrange(lane.keys.chunks, '-', '+');
  const field = (fields: string[], name: string): string | undefined => fields[fields.indexOf(name) + 1];
  return {
    server,
    proxy,
    commit: ingest,
    lane,
    redis,
    problems,
    crashes,
    setWallMs: (ms) => {
      wallOffsetMs = ms;
    },
    submit: (...lines) => submitParts(0, [plainPart(lines)]),
    submitParts: (...parts) => submitParts(0, parts),
    submitHeld: (heldMs, ...lines) => submitParts(heldMs, [plainPart(lines)]),
    chunks: async () => (await entries()).map(([, fields]) => (field(fields, 'b') ?? '').split('\n').slice(0, -1)),
    partitions: async () => (await entries()).map(([, fields]) => field(fields, 'p')),
  };
}
