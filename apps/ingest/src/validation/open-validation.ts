import { isDeepStrictEqual } from 'node:util';
import type { SinkConfig } from '@sink/config';
import type { OpenedSchemas } from '@sink/schemas';
import type { ServiceContext } from '@sink/runtime';
import { ValidationMetrics } from './metrics.ts';
import type { Validator } from './validator.ts';
import { CONFORM, type Judged, type Validation } from './validation.ts';

type Config = Pick<
  SinkConfig,
  'validate' | 'onRegistryAway' | 'schemasDirectories' | 'schemasRegistries' | 'schemasAllowHosts'
>;
type Context = Pick<ServiceContext, 'clock' | 'config' | 'inForce' | 'log' | 'registry' | 'shutdown'>;

interface Opened {
  readonly validator: Validator;
  readonly schemas: OpenedSchemas;
}

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
    const [{ openSchemas }, { Validator: Made }] = await Promise.all([
      import('@sink/schemas'),
      import('./validator.ts'),
    ]);
    const metrics = (this.#metrics ??= new ValidationMetrics(
      registry,
      () => this.#current?.schemas.schemas.counts ?? null,
    ));
    const settings = {
      directories: (config.schemasDirectories ?? []).map(({ path, uri }) => ({
        path,
        ...(uri !== undefined && { uri: withSlash(uri) }),
      })),
      registries: (config.schemasRegistries ?? []).map(({ kind, url, bearer_file: bearerFile }) => ({
        kind,
        url,
        ...(bearerFile !== undefined && { bearerFile }),
      })),
      allowHosts: config.schemasAllowHosts ?? [],
    };
    const { fetched, threaded } = metrics;
    const schemas = await openSchemas(settings, { clock, log, fetched, threaded });
    const onAway = config.onRegistryAway ?? (mode === 'known' ? 'accept' : 'refuse');
    const ports = { schemas: schemas.schemas, count: metrics.event.bind(metrics) };
    return { validator: new Made({ mode, onAway }, ports), schemas };
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

/** A path is below it by whole segments. */
function withSlash(uri: string): string {
  return uri.endsWith('/') || uri.startsWith('urn:') ? uri : `${uri}/`;
}
