import { join } from 'node:path';
import { freePort, type ManagedProcess, type RedisServer, startProcess, startRedis } from '@sink/testing';
import { Redis } from 'ioredis';
import type { LoadGenerator } from '../load/load.ts';
import type { Sent } from '../load/traffic.ts';
import type { Variant } from './joint-ingests-main.ts';
import { SETTINGS } from './processes.ts';
import { sinkEnvironment } from './service.ts';
import { usageOf } from './usage.ts';

/** One process with several ingests that differ in a few settings (joint-ingests-main.ts), and their Redis, which nobody drains. */
export class JointIngests<Name extends string> {
  readonly #redis: RedisServer;
  readonly #process: ManagedProcess;
  readonly #urls: Readonly<Record<Name, string>>;

  private constructor(redis: RedisServer, process: ManagedProcess, urls: Readonly<Record<Name, string>>) {
    this.#redis = redis;
    this.#process = process;
    this.#urls = urls;
  }

  /** Starts them in the order of the variants. */
  static async start<Name extends string>(
    variants: Readonly<Record<Name, Omit<Variant, 'port'>>>,
  ): Promise<JointIngests<Name>> {
    const redis = await startRedis({ args: ['--maxmemory', '2gb'] });
    const names = Object.keys(variants) as Name[];
    const ports = new Map<Name, number>();
    for (const name of names) ports.set(name, await freePort());
    const given: Variant[] = names.map((name) => ({ ...variants[name], port: ports.get(name) ?? 0 }));
    const process = await startProcess({
      command: globalThis.process.execPath,
      args: [join(import.meta.dirname, 'joint-ingests-main.ts')],
      env: {
        ...SETTINGS,
        ...sinkEnvironment({ redisUrl: redis.url, s3Url: 'http://127.0.0.1:9' }),
        SINK_LOG_LEVEL: 'info',
        SINK_INGEST_OPS_PORT: String(await freePort()),
        BENCH_VARIANTS: JSON.stringify(given),
      },
    });
    await process.waitFor(/"started"/);
    const urls = names.map((name) => {
      return [name, `${variants[name].tls === undefined ? 'http' : 'https'}://127.0.0.1:${ports.get(name) ?? 0}/`];
    });
    return new JointIngests(redis, process, Object.fromEntries(urls) as Record<Name, string>);
  }

  /** Events per CPU second of the process, while one of its ingests takes this traffic. */
  async measure(
    name: Name,
    load: LoadGenerator,
    { messages, eventsPerMessage }: Sent,
    options: { readonly connections: number; readonly seconds: number },
  ): Promise<number> {
    await this.#empty();
    const before = usageOf(this.#process.pid).cpuSeconds;
    const result = await load.run({ url: this.#urls[name], messages, ...options });
    if (result.failed > 0) throw new Error(`${result.failed} requests failed`);
    return (result.acknowledged * eventsPerMessage) / (usageOf(this.#process.pid).cpuSeconds - before);
  }

  logs(): string {
    return this.#process.output().slice(-2_000);
  }

  async stop(): Promise<void> {
    await this.#process.kill('SIGTERM');
    await this.#redis.stop();
  }

  /** Makes room for the next run: nothing drains the lane. Ingest opens it again, and registers its writers. */
  async #empty(): Promise<void> {
    const redis = new Redis(this.#redis.url);
    await redis.flushall();
    redis.disconnect();
  }
}
