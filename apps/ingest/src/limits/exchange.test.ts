import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { IoredisPort, reportDemand, withdrawDemand } from '@sink/lane';
import { type RedisServer, startRedis } from '@sink/testing';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { NO_LIMITS } from '../test/limits-world.ts';
import { Exchange } from './exchange.ts';
import { RateLimits } from './rate-limits.ts';

const LIMIT = 1_000;
/** Five times as fast as in the product. */
const TIMES = { reportEveryMs: 100, reportSoonMs: 10, reportTtlMs: 600 };
const PRODUCER = { name: 'p', limits: { ...NO_LIMITS, eventsPerSecond: LIMIT } };

let server: RedisServer;
const clients: Redis[] = [];
const loads: NodeJS.Timeout[] = [];
beforeAll(async () => {
  server = await startRedis();
});
afterEach(() => {
  for (const load of loads.splice(0)) clearInterval(load);
  for (const client of clients.splice(0)) client.disconnect();
});
afterAll(() => server.stop());

/** The limiter of one ingest process, on a connection of its own, under a load of so many events a second. */
class Process {
  readonly limits = new RateLimits({ nowMs: () => performance.now(), random: Math.random });
  readonly failures: unknown[] = [];
  readonly exchange: Exchange;
  readonly #redis: Redis;
  accepted = 0;
  #load: NodeJS.Timeout | undefined;

  constructor(perSecond: number) {
    this.#redis = new Redis({
      port: server.port,
      maxRetriesPerRequest: 0,
      retryStrategy: () => 20,
      lazyConnect: false,
    });
    this.#redis.on('error', () => undefined);
    clients.push(this.#redis);
    const port = new IoredisPort(this.#redis);
    this.exchange = new Exchange(
      this.limits,
      randomBytes(8).toString('hex'),
      {
        report: (me, report, ttlMs) => reportDemand(port, 'sink', { me, report, ttlMs }),
        withdraw: (me) => withdrawDemand(port, 'sink', me),
        failures: { failed: (failure) => this.failures.push(failure), succeeded: () => undefined },
      },
      TIMES,
    );
    this.send(perSecond);
  }

  send(perSecond: number): void {
    clearInterval(this.#load);
    let fromMs = performance.now();
    this.#load = setInterval(() => {
      const toMs = performance.now();
      const events = Math.round(((toMs - fromMs) / 1000) * perSecond);
      fromMs = toMs;
      for (let sent = 0; sent < events; sent++) if (this.limits.charge(PRODUCER, 1, 0) === null) this.accepted += 1;
    }, 10);
    loads.push(this.#load);
  }

  /** As after SIGKILL: it says nothing any more. */
  kill(): void {
    this.send(0);
    this.#redis.disconnect();
  }
}

async function acceptedPerSecond(processes: readonly Process[], seconds: number): Promise<number> {
  const count = (): number => processes.reduce((sum, { accepted }) => sum + accepted, 0);
  const [before, fromMs] = [count(), performance.now()];
  await sleep(seconds * 1_000);
  return ((count() - before) / (performance.now() - fromMs)) * 1_000;
}

test('several processes on one Redis share a limit; a stopped one gives its share back at once, a killed one soon', async () => {
  const processes = [6_000, 900, 100].map((perSecond) => new Process(perSecond));
  const [first, second, third] = processes as [Process, Process, Process];
  await sleep(1_000);
  const together = await acceptedPerSecond(processes, 1.5);
  expect(together).toBeGreaterThan(LIMIT * 0.8);
  expect(together).toBeLessThan(LIMIT * 1.2);
  expect([...third.limits.shares()][0]?.share, 'it gets what it wants').toBeGreaterThan(70);

  second.send(0);
  await second.exchange.stop();
  await sleep(300);
  expect([...first.limits.shares()][0]?.share).toBeGreaterThan(LIMIT * 0.8);

  first.kill();
  third.send(3_000);
  await sleep(1_500);
  expect([...third.limits.shares()][0]?.share).toBeCloseTo(LIMIT, 3);
  expect(third.failures).toEqual([]);
  await Promise.all([first.exchange.stop(), third.exchange.stop()]);
  const redis = new Redis({ port: server.port });
  clients.push(redis);
  expect(await redis.hlen('{sink}:demand'), 'the report of the killed one').toBeLessThanOrEqual(1);
}, 20_000);
