import { randomUUID } from 'node:crypto';
import { type FailureLog, silentLog } from '@sink/runtime';
import { eventually, type RedisServer, startRedis } from '@sink/testing';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { queuePrefix } from './upload-job.ts';
import { UploadQueue, UploadQueueInDoubt } from './upload-queue.ts';
import { UploadWorker, type UploadWorkerOptions } from './upload-worker.ts';

const SINK = 'test';
const FAST = { baseMs: 10, capMs: 50, slowMs: 60_000 };

let server: RedisServer;
let admin: Redis;
let queue: UploadQueue;
let warnings: string[];
const workers: UploadWorker[] = [];

const log: FailureLog = {
  ...silentLog,
  warn: (fields) => {
    if ('err' in fields && fields.err instanceof Error) warnings.push(fields.err.message);
  },
};

function connect(): Redis {
  const redis = new Redis(server.port, server.host, {
    maxRetriesPerRequest: null,
    retryStrategy: () => 50,
    enableReadyCheck: true,
  });
  redis.on('error', () => undefined);
  return redis;
}

function startWorker(options: Partial<UploadWorkerOptions> & Pick<UploadWorkerOptions, 'upload'>): UploadWorker {
  const worker = new UploadWorker(connect(), SINK, {
    concurrency: 2,
    paceOf: () => 'ordinary',
    log,
    retryTimes: FAST,
    ...options,
  });
  workers.push(worker);
  return worker;
}

beforeAll(async () => {
  server = await startRedis();
  admin = connect();
});

afterAll(async () => {
  admin.disconnect();
  await server.stop();
});

beforeEach(async () => {
  await admin.config('SET', 'maxmemory', '0');
  warnings = [];
  await admin.flushall();
  queue = new UploadQueue(connect(), SINK, { log });
});

afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.close(0)));
  await queue.close();
});

const jobKey = (id: string): string => `${queuePrefix(SINK)}:jobs:${id}`;

describe('the upload queue', () => {
  test('adding a segment twice gives it one job, whose keys have one hash tag', async () => {
    const id = randomUUID();
    await queue.add(3, id);
    await queue.add(3, id);
    expect(await queue.counts()).toEqual({ waiting: 1, active: 0, delayed: 0, failed: 0 });
    for (const key of await admin.keys('*')) expect(key).toMatch(/^\{test:uploads\}:/);
    expect(await admin.memory('USAGE', jobKey(id))).toBeLessThan(1_000);
  });

  test('knows which of many segments have a job', async () => {
    const ids = Array.from({ length: 450 }, () => randomUUID());
    const added = ids.filter((_, index) => index % 3 === 0);
    await Promise.all(added.map((id) => queue.add(0, id)));
    expect(await queue.has(ids)).toEqual(ids.map((_, index) => index % 3 === 0));
    expect(await queue.has([])).toEqual([]);
  });

  test('takes what is no job of ours for none, and makes room for one', async () => {
    const [text, foreign, broken, sound] = ['text', 'foreign', 'broken', 'sound'] as const;
    await admin.set(jobKey(text), 'x');
    await admin.hset(jobKey(foreign), 'anything', '1');
    await queue.add(1, broken);
    await queue.add(1, sound);
    await admin.hset(jobKey(broken), 'data', 'nonsense');
    expect(await queue.has([text, foreign, broken, sound])).toEqual([false, false, false, true]);
    for (const id of [text, foreign, broken]) await queue.add(2, id);
    expect(await queue.has([text, foreign, broken, sound])).toEqual([true, true, true, true]);
    expect((await queue.counts()).waiting).toBe(4);
  });

  test('answers within its deadline while Redis hangs, and carries the command out later', async () => {
    const id = randomUUID();
    const impatient = new UploadQueue(connect(), SINK, { log, answerTimeoutMs: 200 });
    await impatient.counts();
    server.signal('SIGSTOP');
    try {
      await expect(impatient.add(0, id)).rejects.toBeInstanceOf(UploadQueueInDoubt);
    } finally {
      server.signal('SIGCONT');
    }
    await eventually(async () => expect(await queue.has([id])).toEqual([true]));
    await impatient.close();
  });

  test('closes without Redis', async () => {
    const lost = new UploadQueue(
      new Redis(1, '127.0.0.1', { maxRetriesPerRequest: null }).on('error', () => undefined),
      SINK,
      {
        log,
      },
    );
    await lost.close();
  });
});

describe('an upload worker', () => {
  test('hands in lane and segment, and nothing of the job stays', async () => {
    const uploaded: [number, string][] = [];
    const id = randomUUID();
    startWorker({ upload: async (lane, segment) => void uploaded.push([lane, segment]) });
    await queue.add(7, id);
    await eventually(async () => expect(await queue.has([id])).toEqual([false]));
    expect(uploaded).toEqual([[7, id]]);
  });

  test('tries again for as long as it fails, and keeps one bounded line of the failure', async () => {
    const attempts: number[] = [];
    const id = randomUUID();
    startWorker({
      upload: async () => {
        const attempt = attempts.push(attempts.length + 1);
        if (attempt <= 6) throw new Error('x'.repeat(10_000));
        expect((await admin.hget(jobKey(id), 'failedReason'))?.length).toBe(300);
        expect(await admin.hget(jobKey(id), 'stacktrace')).toBe('[]');
      },
    });
    await queue.add(0, id);
    await eventually(async () => expect(await queue.has([id])).toEqual([false]));
    expect(attempts).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(warnings).toEqual([]);
  });

  test('waits long after a failure of the slow kind, until it is promoted', async () => {
    let broken = true;
    const id = randomUUID();
    const failure = new Error('access denied');
    startWorker({
      paceOf: (error) => (error === failure ? 'slow' : 'ordinary'),
      upload: async () => {
        if (broken) throw failure;
      },
    });
    await queue.add(0, id);
    await eventually(async () => expect((await queue.counts()).delayed).toBe(1));
    const score = Number(await admin.zscore(`${queuePrefix(SINK)}:jobs:delayed`, id));
    expect(score / 0x1000).toBeGreaterThan(Date.now() + 50_000);
    broken = false;
    await queue.promoteDelayed();
    await eventually(async () => expect(await queue.has([id])).toEqual([false]));
  });

  test('learns that its lock is lost, and another worker does the job', async () => {
    const id = randomUUID();
    const reasons: unknown[] = [];
    let attempts = 0;
    startWorker({
      lockMs: 400,
      upload: async (_lane, _segment, signal) => {
        if (++attempts > 1) return;
        await admin.del(`${jobKey(id)}:lock`);
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        reasons.push(signal.reason);
        throw new Error('aborted');
      },
    });
    await queue.add(0, id);
    await eventually(() => expect(reasons).toEqual(['lock_lost']));
    await eventually(async () => expect(await queue.has([id])).toEqual([false]));
  });

  test('takes over from workers that ended, however often that happens', async () => {
    const id = randomUUID();
    await queue.add(0, id);
    for (let death = 0; death < 4; death++) {
      let taken = false;
      const dying = startWorker({
        lockMs: 300,
        upload: () => {
          taken = true;
          return new Promise(() => undefined);
        },
      });
      await eventually(() => taken);
      // It gives up on the upload that never ends, and leaves its job as a dead one would.
      await dying.close(0);
    }
    startWorker({ lockMs: 300, upload: async () => undefined });
    await eventually(async () => expect(await queue.has([id])).toEqual([false]));
    expect((await queue.counts()).failed).toBe(0);
  });

  test('a job that a script ended half-way left in no list is removed, so that it can be added again', async () => {
    const [stranded, sound] = [randomUUID(), randomUUID()];
    await queue.add(1, stranded);
    await queue.add(1, sound);
    const wait = jobKey('wait');
    await admin.lrem(wait, 0, stranded);
    expect(await queue.has([stranded, sound])).toEqual([false, true]);
    await queue.add(1, stranded);
    expect(await queue.has([stranded, sound])).toEqual([true, true]);
    expect((await queue.counts()).waiting).toBe(2);
  });

  test.each(['{"lane":"../7"}', 'nonsense', '', 'null'])('drops a job with foreign data (%s)', async (data) => {
    const id = randomUUID();
    await queue.add(0, id);
    await admin.hset(jobKey(id), 'data', data);
    const uploaded: number[] = [];
    startWorker({ upload: async (lane) => void uploaded.push(lane) });
    await eventually(async () => expect(await admin.exists(jobKey(id))).toBe(0));
    expect(uploaded).toEqual([]);
    expect(warnings).toEqual([expect.stringContaining('its data is not from the sink')]);
  });

  test('takes no job while the queue is held, and continues automatically', async () => {
    const uploaded: number[] = [];
    startWorker({ upload: async () => void uploaded.push(performance.now()) });
    await queue.add(0, randomUUID());
    await eventually(() => uploaded.length === 1);
    const heldMs = performance.now();
    await queue.holdFor(600);
    await queue.add(0, randomUUID());
    await queue.add(0, randomUUID());
    await eventually(() => uploaded.length === 3);
    expect((uploaded[1] ?? 0) - heldMs).toBeGreaterThan(500);
  });

  test('revives a failed job', async () => {
    const id = randomUUID();
    await queue.add(0, id);
    // As a bug, or an operator, would leave it.
    await admin.lrem(`${queuePrefix(SINK)}:jobs:wait`, 0, id);
    await admin.zadd(`${queuePrefix(SINK)}:jobs:failed`, Date.now(), id);
    startWorker({ upload: async () => undefined });
    expect(await queue.reviveFailed()).toBe(1);
    await eventually(async () => expect(await queue.has([id])).toEqual([false]));
    expect(await queue.reviveFailed()).toBe(0);
  });

  test('continues automatically after Redis was restarted', async () => {
    const uploaded: string[] = [];
    startWorker({ lockMs: 1_000, upload: async (_lane, segment) => void uploaded.push(segment) });
    const [first, second] = [randomUUID(), randomUUID()];
    await queue.add(0, first);
    await eventually(() => uploaded.includes(first));
    await server.restart();
    await queue.add(0, second);
    await eventually(() => uploaded.includes(second), { timeoutMs: 15_000 });
  });

  test('at maxmemory it reports at most one error in ten seconds, and continues when there is room', async () => {
    const ids = Array.from({ length: 20 }, () => randomUUID());
    for (const id of ids) await queue.add(0, id);
    await admin.config('SET', 'maxmemory', '1');
    const uploaded = new Set<string>();
    const startedMs = performance.now();
    startWorker({ lockMs: 1_000, upload: async (_lane, segment) => void uploaded.add(segment) });
    await eventually(() => performance.now() - startedMs > 3_000);
    expect(warnings).toEqual([expect.stringMatching(/OOM/)]);
    await expect(queue.add(0, randomUUID())).rejects.toThrow(/OOM/);
    await admin.config('SET', 'maxmemory', '0');
    await eventually(() => uploaded.size === ids.length, { timeoutMs: 15_000 });
    await eventually(async () => expect((await queue.counts()).waiting).toBe(0));
  });

  test('closing lets an upload end that ends in time, and aborts one that does not', async () => {
    const ended: string[] = [];
    let started = 0;
    const worker = startWorker({
      upload: async (_lane, segment, signal) => {
        started += 1;
        await new Promise<void>((resolve) => {
          if (segment === 'quick') setTimeout(resolve, 100);
          signal.addEventListener('abort', () => resolve());
        });
        ended.push(`${segment} ${String(signal.reason ?? 'in time')}`);
        if (signal.aborted) throw new Error('aborted');
      },
    });
    await queue.add(0, 'quick');
    await queue.add(0, 'endless');
    await eventually(() => started === 2);
    await worker.close(500);
    expect(ended).toEqual(['quick in time', 'endless stopping']);
    expect(await queue.has(['quick', 'endless'])).toEqual([false, true]);
  });
});
