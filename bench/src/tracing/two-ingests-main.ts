/**
 * Two whole ingests in one process: one without tracing, and one with it. They share V8's compiled code and its heap, so what
 * differs between them is tracing. Two processes differ by more, without any reason that the code has.
 */
import { Registry, runService, type ServiceContext } from '@sink/runtime';
import { startIngest } from '@sink/ingest/start';

/** The environment of the ingest with tracing; it has the port too. */
export interface Traced {
  readonly port: number;
  readonly environment: Readonly<Record<string, string>>;
}

await runService('ingest', async (context) => {
  await startIngest(context);
  const { port, environment } = JSON.parse(process.env['BENCH_TRACED'] ?? '') as Traced;
  Object.assign(process.env, environment);
  await startIngest(onPort(context, port));
});

function onPort(context: ServiceContext, port: number): ServiceContext {
  const { inForce } = context;
  return {
    ...context,
    registry: new Registry(),
    inForce: {
      ...inForce,
      settings: (read) => inForce.settings((config) => read({ ...config, port })),
      onChange: (listener) => inForce.onChange(listener),
    },
  };
}
