import { join } from 'node:path';
import { freePort, type ManagedProcess, type RedisServer, startProcess, startRedis } from '@sink/testing';
import { Redis } from 'ioredis';
import { SETTINGS } from '../sink/processes.ts';
import { sinkEnvironment } from '../sink/service.ts';
import { usageOf } from '../sink/usage.ts';
import type { Traced } from './two-ingests-main.ts';

export type Which = 'off' | 'sampled';

/** One process with an ingest without tracing and one with it (two-ingests-main.ts), and their Redis, which nobody drains. */
export class TwoIngests {
  readonly #redis: RedisServer;
  readonly #process: ManagedProcess;
  readonly #ports: Readonly<Record<Which, number>>;

  private constructor(redis: RedisServer, process: ManagedProcess, ports: Readonly<Record<Which, number>>) {
    this.#redis = redis;
    this.#process = process;
    this.#ports = ports;
  }

  /** @param tracing the environment that switches tracing on */
  static async start(tracing: Readonly<Record<string, string>>): Promise<TwoIngests> {
    const redis = await startRedis({ args: ['--maxmemory', '2gb'] });
    const ports = { off: await freePort(), sampled: await freePort() };
    const traced: Traced = { port: ports.sampled, environment: tracing };
    const process = await startProcess({
      command: globalThis.process.execPath,
      args: [join(import.meta.dirname, 'two-ingests-main.ts')],
      env: {
        ...SETTINGS,
        ...sinkEnvironment({ redisUrl: redis.url, s3Url: 'http://127.0.0.1:9' }),
        SINK_LOG_LEVEL: 'info',
        SINK_PORT: String(ports.off),
        SINK_INGEST_OPS_PORT: String(await freePort()),
        BENCH_TRACED: JSON.stringify(traced),
      },
    });
    await process.waitFor(/"started"/);
    return new TwoIngests(redis, process, ports);
  }

  url(which: Which): string {
    return `http://127.0.0.1:${this.#ports[which]}/`;
  }

  cpuSeconds(): number {
    return usageOf(this.#process.pid).cpuSeconds;
  }

  /** Makes room for the next run: nothing drains the lane. Ingest opens it again, and registers its writers. */
  async empty(): Promise<void> {
    const redis = new Redis(this.#redis.url);
    await redis.flushall();
    redis.disconnect();
  }

  logs(): string {
    return this.#process.output().slice(-2_000);
  }

  async stop(): Promise<void> {
    await this.#process.kill('SIGTERM');
    await this.#redis.stop();
  }
}
