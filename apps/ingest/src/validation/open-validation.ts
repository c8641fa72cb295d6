import { isDeepStrictEqual } from 'node:util';
import type { SinkConfig } from '@sink/config';
import type { Judged, OpenedValidator } from '@sink/schemas';
import type { ServiceContext } from '@sink/runtime';
import { ValidationMetrics } from './metrics.ts';
import type { Validation } from './validation.ts';

type Config = Pick<
  SinkConfig,
  'validate' | 'onRegistryAway' | 'schemasDirectories' | 'schemasRegistries' | 'schemasAllowHosts'
>;
type Context = Pick<ServiceContext, 'clock' | 'config' | 'inForce' | 'log' | 'registry' | 'shutdown'>;

type Opened = OpenedValidator;

/** No validation. */
const CONFORM: Judged = { kind: 'conform' };

/** Validation as the configuration has it, also when that changes. While it is off, nothing of it is loaded. */
export async function openValidation(context: Context): Promise<Validation> {
  const validation = new LiveValidation(context);
  await validation.take(context.config);
  context.inForce.onChange((config) => void validation.take(config));
  context.shutdown.add('validation', () => validation.close());
  return validation;
}

class LiveValidation implements Validation {
  readonly #context: Context;
  #config: Config | null = null;
  /** What answers; a promise while it is being loaded. Null: validation is off. */
  #opened: Opened | Promise<Opened> | null = null;
  #current: Opened | null = null;
  #metrics: ValidationMetrics | null = null;

  constructor(context: Context) {
    this.#context = context;
  }

  get isOn(): boolean {
    return this.#opened !== null;
  }

  check(lines: readonly string[], leftMs: number): Judged | Promise<Judged> {
    const opened = this.#opened;
    if (opened === null) return CONFORM;
    if (!(opened instanceof Promise)) return opened.validator.check(lines, leftMs);
    return opened.then(
      ({ validator }) => validator.check(lines, leftMs),
      () => ({ kind: 'away', why: 'validation cannot be started' }),
    );
  }

  /** Takes what has changed. Requests wait for the new schemas; those under way are judged by the old ones. */
  async take(given: Config): Promise<void> {
    const config = concerns(given);
    if (isDeepStrictEqual(config, this.#config)) return;
    this.#config = config;
    const before = this.#opened;
    if (config.validate === 'off') this.#opened = null;
    else {
      const opening = this.#open(config, config.validate);
      this.#opened = opening;
      try {
        const opened = await opening;
        // Another change may have come meanwhile.
        if (this.#opened === opening) this.#opened = this.#current = opened;
      } catch (err) {
        this.#context.log.error({ err }, 'starting validation failed');
      }
    }
    await close(before);
  }

  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = null;
    await close(opened);
  }

  async #open(config: Config, mode: 'known' | 'strict'): Promise<Opened> {
    const { clock, log, registry } = this.#context;
    const { openValidator } = await import('@sink/schemas');
    const metrics = (this.#metrics ??= new ValidationMetrics(
      registry,
      () => this.#current?.schemas.schemas.counts ?? null,
    ));
    const { fetched, threaded } = metrics;
    const count = metrics.event.bind(metrics);
    return openValidator({ ...config, validate: mode }, { clock, log, fetched, threaded, count });
  }
}

function concerns(config: Config): Config {
  const { validate, onRegistryAway, schemasDirectories, schemasRegistries, schemasAllowHosts } = config;
  return { validate, onRegistryAway, schemasDirectories, schemasRegistries, schemasAllowHosts };
}

async function close(opened: Opened | Promise<Opened> | null): Promise<void> {
  try {
    await (await opened)?.schemas.close();
  } catch {
    // It never opened.
  }
}
