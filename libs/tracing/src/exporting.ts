/**
 * Tracing with the SDK of OpenTelemetry. Only open-tracing.ts imports this, when tracing is on: no other module may import the
 * SDK, so that it takes no memory where tracing is off.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import {
  type Context,
  diag,
  type DiagLogger,
  DiagLogLevel,
  type Link,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
} from '@opentelemetry/api';
import { ExportResultCode, TraceState } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import {
  detectResources,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
  serviceNameEnvDetector,
} from '@opentelemetry/resources';
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  type ReadableSpan,
  type SpanExporter,
  type SpanProcessor,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { TracingSettings } from './environment.ts';
import { LINKS_MAX, type Span, type SpanIdentity, type SpanStart, type Tracing } from './port.ts';
import { sampler } from './sampler.ts';

const KINDS = { server: SpanKind.SERVER, producer: SpanKind.PRODUCER, consumer: SpanKind.CONSUMER } as const;

export interface ExportingPorts {
  readonly service: string;
  readonly sinkName: string;
  readonly random: () => number;
  /** Spans that the collector has taken. */
  readonly exported: (spans: number) => void;
  readonly dropped: (spans: number, reason: 'queue_full' | 'export_failed') => void;
  /** Learns of every export that failed, and of every one that succeeded. */
  readonly reporter: { failed(fields: { readonly err: unknown }): void; succeeded(): void };
  /** What the SDK finds wrong with its environment. */
  readonly warn: (message: string) => void;
}

export interface ExportingTracing extends Tracing {
  /** Sends what waits, for as long as `maxMs`; never rejects. */
  close(maxMs: number): Promise<void>;
}

export function startExporting(settings: TracingSettings, ports: ExportingPorts): ExportingTracing {
  const { service, sinkName, random, warn } = ports;
  diag.setLogger(warningsTo(warn), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  const processor = new BoundedProcessor(settings, new OTLPTraceExporter(), ports);
  const provider = new TracerProvider({
    sampler: new AlwaysOnSampler(), // what is not sampled never gets here
    spanLimits: { linkCountLimit: LINKS_MAX },
    spanProcessors: [processor],
    resource: resourceFromAttributes({
      'service.name': `sink-aws-s3-${service}`,
      'service.namespace': sinkName,
      'service.instance.id': randomUUID(),
      'host.name': hostname(),
      'process.pid': process.pid,
    }).merge(detectResources({ detectors: [resourceAttributesEnvDetector, serviceNameEnvDetector] })),
  });
  const tracer = provider.getTracer(`sink-aws-s3.${service}`);
  const start = ({ name, kind, startedMs, parent, links, attributes }: SpanStart): Span => {
    const toEpochMs = Date.now() - performance.now();
    const options = {
      kind: KINDS[kind],
      startTime: toEpochMs + startedMs,
      attributes,
      links: links.slice(0, LINKS_MAX).map((span): Link => ({ context: spanContextOf(span) })),
    };
    const span = tracer.startSpan(name, options, contextOf(parent));
    const { traceId, spanId } = span.spanContext();
    return {
      identity: { traceId, spanId, state: parent?.state ?? '' },
      end: (more, errorType) => {
        span.setAttributes(more);
        if (errorType !== undefined) {
          span.setAttribute('error.type', errorType);
          span.setStatus({ code: SpanStatusCode.ERROR });
        }
        span.end(toEpochMs + performance.now());
      },
    };
  };
  return {
    samples: sampler(settings.sampling, random),
    start,
    close: (maxMs) => within(maxMs, provider.shutdown()),
  };
}

/**
 * The queue of the SDK, with a limit that counts what is being sent, too, and with numbers of what it drops. To the SDK each
 * export is a success, because it writes failures to a log of its own.
 */
class BoundedProcessor implements SpanProcessor {
  readonly #queue: BatchSpanProcessor;
  readonly #queueMax: number;
  readonly #dropped: ExportingPorts['dropped'];
  #waiting = 0;

  constructor(settings: TracingSettings, exporter: SpanExporter, ports: ExportingPorts) {
    this.#queueMax = settings.queueMax;
    this.#dropped = ports.dropped;
    this.#queue = new BatchSpanProcessor({
      exporter: this.#counting(exporter, ports),
      maxQueueSize: settings.queueMax,
      maxExportBatchSize: settings.batchMax,
      scheduledDelayMillis: settings.delayMs,
      exportTimeoutMillis: settings.exportTimeoutMs,
    });
  }

  onStart(): void {
    // A span counts once it has ended.
  }

  onEnd(span: ReadableSpan): void {
    if (this.#waiting >= this.#queueMax) {
      this.#dropped(1, 'queue_full');
      return;
    }
    this.#waiting += 1;
    this.#queue.onEnd(span);
  }

  forceFlush(): Promise<void> {
    return this.#queue.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#queue.shutdown();
  }

  #counting(exporter: SpanExporter, { exported, dropped, reporter }: ExportingPorts): SpanExporter {
    return {
      export: (spans, done) => {
        exporter.export(spans, ({ code, error }) => {
          this.#waiting -= spans.length;
          if (code === ExportResultCode.SUCCESS) {
            exported(spans.length);
            reporter.succeeded();
          } else {
            dropped(spans.length, 'export_failed');
            reporter.failed({ err: error });
          }
          done({ code: ExportResultCode.SUCCESS });
        });
      },
      forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
      shutdown: () => exporter.shutdown(),
    };
  }
}

function contextOf(parent: SpanIdentity | null): Context {
  return parent === null ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, spanContextOf(parent));
}

function spanContextOf({ traceId, spanId, state }: SpanIdentity): SpanContext {
  const context = { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true };
  return state === '' ? context : { ...context, traceState: new TraceState(state) };
}

async function within(maxMs: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, maxMs)));
  await Promise.race([work.catch(() => undefined), late]);
  clearTimeout(timer);
}

function warningsTo(warn: (message: string) => void): DiagLogger {
  const quiet = (): void => undefined;
  return { error: warn, warn, info: quiet, debug: quiet, verbose: quiet };
}
