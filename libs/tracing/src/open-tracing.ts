import { readEnvironment } from '@sink/config';
import { Counter, FailureReporter, type Registry, type ServiceContext } from '@sink/runtime';
import { readTracingEnvironment } from './environment.ts';
import type { Tracing } from './port.ts';

/** What a stop spends on sending the last spans, at most. */
const CLOSE_MS_MAX = 2_000;

type Context = Pick<ServiceContext, 'service' | 'config' | 'log' | 'clock' | 'registry' | 'shutdown'>;

/**
 * Tracing as the environment asks for it (docs/tracing.md); null: it is off. The SDK is loaded only here. Call it before the
 * service opens anything else, so that it closes last.
 */
export async function openTracing(context: Context): Promise<Tracing | null> {
  const { service, config, log, clock, registry, shutdown } = context;
  const { settings, warnings } = readTracingEnvironment(readEnvironment());
  for (const warning of warnings) log.warn(`OpenTelemetry: ${warning}`);
  if (settings === null) return null;
  const { startExporting } = await import('./exporting.ts');
  const metrics = registerTracingMetrics(registry);
  const diagnostics = new FailureReporter(
    { log, clock },
    { name: 'OpenTelemetry', failing: 'OpenTelemetry has a problem', working: null },
  );
  const tracing = startExporting(settings, {
    service,
    sinkName: config.sinkName,
    random: Math.random,
    exported: (spans) => metrics.exported.inc(spans),
    dropped: (spans, reason) => metrics.dropped.inc({ reason }, spans),
    reporter: new FailureReporter(
      { log, clock },
      { name: 'exporting traces', failing: 'exporting traces fails: their spans are dropped' },
    ),
    warn: (problem) => diagnostics.failed({ problem }),
  });
  shutdown.add('tracing', () => tracing.close(Math.min(CLOSE_MS_MAX, shutdown.leftMs / 2)));
  log.info({ endpoint: settings.endpoint, sampling: settings.sampling }, 'traces are exported');
  return tracing;
}

export interface TracingMetrics {
  readonly exported: Counter;
  readonly dropped: Counter<'reason'>;
}

export function registerTracingMetrics(registry: Registry): TracingMetrics {
  const registers = [registry];
  const exported = new Counter({
    name: 'sink_trace_spans_exported_total',
    help: 'Spans that the collector has taken. Only with OTEL_EXPORTER_OTLP_ENDPOINT.',
    registers,
  });
  const dropped = new Counter({
    name: 'sink_trace_spans_dropped_total',
    help: 'Spans that were dropped, because more wait than OTEL_BSP_MAX_QUEUE_SIZE, or because the collector did not take them. Only with OTEL_EXPORTER_OTLP_ENDPOINT.',
    labelNames: ['reason'],
    registers,
  });
  for (const reason of ['queue_full', 'export_failed'] as const) dropped.inc({ reason }, 0);
  return { exported, dropped };
}
