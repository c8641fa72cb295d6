import { randomBytes } from 'node:crypto';
import { type ProducerSettings, secretFiles } from '@sink/config';
import { type ServiceContext, WatchedFiles } from '@sink/runtime';
import { JwtCredentials } from './jwt/jwt-credentials.ts';
import { registerJwtMetrics } from './jwt/jwt-metrics.ts';
import type { ProducerMetrics } from './metrics.ts';
import type { ClientOf } from './mtls.ts';
import { Producers } from './producers.ts';

/** What it needs of the context of ingest. */
export type ProducersContext = Pick<
  ServiceContext,
  'config' | 'inForce' | 'registry' | 'readiness' | 'clock' | 'log' | 'shutdown'
>;

const SALT_BYTES = 16;

/** A file of the configuration cannot be read: a restart does not help. */
class ProducersUnfit extends Error {
  override readonly name = 'ProducersUnfit';
  readonly code = 'producers_unfit';
  readonly retryable = false;
}

/**
 * The producers of the configuration, which follow its changes. What is wrong with one is logged, and is a warning in
 * `/readyz`.
 * @throws ProducersUnfit if a file of secrets cannot be read at the start
 */
export function openProducers(
  { config, inForce, registry, readiness, clock, log, shutdown }: ProducersContext,
  metrics: ProducerMetrics,
  clientOf: ClientOf,
): Producers {
  requireFiles(config.producers, clock);
  let told = new Map<string, string>();
  const tellTroubles = (): void => {
    const troubles = new Map(producers.troubles());
    for (const [producer, trouble] of troubles) {
      if (told.get(producer) !== trouble) log.warn({ producer, trouble }, 'a credential of a producer has a problem');
    }
    for (const producer of told.keys()) {
      if (!troubles.has(producer)) log.info({ producer }, 'the credential of a producer works again');
    }
    told = troubles;
    const lines = [...troubles].map(([producer, trouble]) => `${producer}: ${trouble}`);
    readiness.warn(
      'producers',
      lines.length === 0 ? null : lines.join('; '),
      'credentials of producers have problems, which the log and the operations port name',
    );
  };
  const troubleChanged = (): void => tellTroubles();
  const jwt = new JwtCredentials({ clock, proxy: config.keysProxy ?? null, troubleChanged });
  registerJwtMetrics(registry, jwt);
  const producers: Producers = new Producers({ clock, clientOf, jwt, troubleChanged }, salt());
  const take = (settings: readonly ProducerSettings[]): void => {
    producers.set(settings);
    metrics.show(
      settings.map(({ name }) => name),
      () => producers.list.map(({ name, credential }) => [name, credential.trouble ?? null] as const),
    );
  };
  take(config.producers);
  let inUse = config.producers;
  inForce.onChange(({ producers: settings }) => {
    if (settings === inUse) return;
    inUse = settings;
    take(settings);
  });
  shutdown.add('producers', async () => producers.close());
  return producers;
}

function salt(): string {
  return randomBytes(SALT_BYTES).toString('hex');
}

function requireFiles(settings: readonly ProducerSettings[], clock: ServiceContext['clock']): void {
  const problems = settings.flatMap((producer) => {
    const paths = secretFiles(producer);
    return new WatchedFiles(paths, clock).contents.flatMap((content, at) =>
      'problem' in content ? [`${producer.name}: ${paths[at]}: ${content.problem}`] : [],
    );
  });
  if (problems.length > 0) throw new ProducersUnfit(`reading the files of producers: ${problems.join('; ')}`);
}
