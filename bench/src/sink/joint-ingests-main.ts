/**
 * Several whole ingests in one process, which differ in a few settings. They share V8's compiled code and its heap, so what
 * differs between them is those settings. Several processes differ by more, without any reason that the code has.
 */
import type { ProducerSettings, SinkConfig } from '@sink/config';
import { Registry, runService, type ServiceContext } from '@sink/runtime';
import { startIngest } from '@sink/ingest/start';

/** How one of the ingests differs. */
export interface Variant {
  readonly port: number;
  readonly path?: string;
  /** Added to the environment, in which the ingests before it have started. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly producers?: readonly ProducerSettings[];
  /** The files of TLS of its port. */
  readonly tls?: Pick<SinkConfig, 'tlsCertFile' | 'tlsKeyFile' | 'tlsClientCaFile'>;
  readonly validation?: Partial<Pick<SinkConfig, 'validate' | 'schemasDirectories'>>;
}

await runService('ingest', async (context) => {
  for (const variant of JSON.parse(process.env['BENCH_VARIANTS'] ?? '') as readonly Variant[]) {
    Object.assign(process.env, variant.environment);
    await startIngest(as(variant, context));
  }
});

function as({ port, producers = [], tls, validation, path }: Variant, context: ServiceContext): ServiceContext {
  const { inForce, config } = context;
  return {
    ...context,
    registry: new Registry(),
    config: { ...config, ...tls, ...validation, ...(path !== undefined && { path }), port, producers },
    inForce: {
      ...inForce,
      settings: (read) => inForce.settings((current) => read({ ...current, ...tls, port, producers })),
      onChange: (listener) => inForce.onChange(listener),
    },
  };
}
