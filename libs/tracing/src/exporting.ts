/**
 * Tracing with the queue and the exporter of OpenTelemetry's SDK. Only open-tracing.ts imports this, when tracing is on: no
 * other module may import the SDK, so that it takes no memory where tracing is off.
 *
 * A span is made here, whole, when it ends. The SDK's own spans check each attribute, link and context that they are given,
 * which takes several times as long.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import {
  diag,
  type DiagLogger,
  DiagLogLevel,
  type HrTime,
  type Link,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
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
import { BatchSpanProcessor, RandomIdGenerator, type ReadableSpan, type SpanExporter } from '@opentelemetry/sdk-trace';
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
  const queue = new BoundedQueue(settings, new OTLPTraceExporter(), ports);
  const made = { name: `sink-aws-s3.${service}` };
  const resource = resourceFromAttributes({
    'service.name': `sink-aws-s3-${service}`,
    'service.namespace': sinkName,
    'service.instance.id': randomUUID(),
    'host.name': hostname(),
    'process.pid': process.pid,
  }).merge(detectResources({ detectors: [resourceAttributesEnvDetector, serviceNameEnvDetector] }));
  const ids = new RandomIdGenerator();
  const start = ({ name, kind, startedMs, parent, links, attributes }: SpanStart): Span => {
    const identity: SpanIdentity = {
      traceId: parent?.traceId ?? ids.generateTraceId(),
      spanId: ids.generateSpanId(),
      state: parent?.state ?? '',
    };
    // The wall clock at the start: the span's length is that of the monotonic clock.
    const toEpochMs = Date.now() - performance.now();
    const end: Span['end'] = (more, errorType) => {
      const endedMs = performance.now();
      const context = spanContextOf(identity, false);
      const isError = errorType !== undefined;
      queue.add({
        name,
        kind: KINDS[kind],
        spanContext: () => context,
        ...(parent !== null && { parentSpanContext: spanContextOf(parent, true) }),
        startTime: timeOf(toEpochMs + startedMs),
        endTime: timeOf(toEpochMs + endedMs),
        duration: timeOf(endedMs - startedMs),
        ended: true,
        status: { code: isError ? SpanStatusCode.ERROR : SpanStatusCode.UNSET },
        attributes: isError ? { ...attributes, ...more, 'error.type': errorType } : { ...attributes, ...more },
        links: links.slice(0, LINKS_MAX).map((span): Link => ({ context: spanContextOf(span, true) })),
        events: [],
        resource,
        instrumentationScope: made,
        droppedAttributesCount: 0,
        droppedEventsCount: 0,
        droppedLinksCount: Math.max(0, links.length - LINKS_MAX),
      });
    };
    return { identity, end };
  };
  return { samples: sampler(settings.sampling, random), start, close: (maxMs) => within(maxMs, queue.close()) };
}

/**
 * The queue of the SDK, with a limit that counts what is being sent, too, and with numbers of what it drops. To the SDK each
 * export is a success, because it writes failures to a log of its own.
 */
class BoundedQueue {
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

  add(span: ReadableSpan): void {
    if (this.#waiting >= this.#queueMax) {
      this.#dropped(1, 'queue_full');
      return;
    }
    this.#waiting += 1;
    this.#queue.onEnd(span);
  }

  /** Sends what waits. */
  close(): Promise<void> {
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

function spanContextOf({ traceId, spanId, state }: SpanIdentity, isRemote: boolean): SpanContext {
  const context = { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote };
  return state === '' ? context : { ...context, traceState: new TraceState(state) };
}

function timeOf(ms: number): HrTime {
  const seconds = Math.floor(ms / 1_000);
  return [seconds, Math.floor((ms - seconds * 1_000) * 1e6)];
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
