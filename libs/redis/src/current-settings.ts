import type { RedisSettings, SinkConfig } from '@sink/config';
import { type Clock, type FailureLog, FailureReporter } from '@sink/runtime';
import { requireRedis } from './require-redis.ts';

/** How old settings may be: many connections reconnect at the same time. */
const AGE_MAX_MS = 250;

export interface CurrentSettingsPorts {
  readonly log: FailureLog;
  readonly clock: Pick<Clock, 'monotonicMs'>;
}

/**
 * How to connect to Redis as the files of the configuration say now: passwords are rotated and certificates renewed while
 * the sink runs. A file that is missing or wrong for a moment leaves the settings as they were.
 */
export class CurrentSettings {
  readonly #ports: CurrentSettingsPorts;
  readonly #config: Pick<SinkConfig, 'readRedisAgain'>;
  readonly #failures: FailureReporter;
  #settings: RedisSettings;
  #readAtMs: number;

  /** @throws Error when no Redis is configured */
  constructor(config: SinkConfig, ports: CurrentSettingsPorts) {
    this.#ports = ports;
    this.#config = config;
    this.#settings = requireRedis(config.redis);
    this.#readAtMs = ports.clock.monotonicMs();
    this.#failures = new FailureReporter(ports, {
      name: 'redis files',
      failing: 'reading the files of the Redis settings again fails; the last ones stay in use',
      working: 'the files of the Redis settings can be read again',
    });
  }

  now(): RedisSettings {
    const nowMs = this.#ports.clock.monotonicMs();
    if (nowMs - this.#readAtMs < AGE_MAX_MS) return this.#settings;
    this.#readAtMs = nowMs;
    try {
      this.#settings = requireRedis(this.#config.readRedisAgain());
      this.#failures.succeeded();
    } catch (err) {
      this.#failures.failed({ err });
    }
    return this.#settings;
  }
}
