/** What services need of tracing. Where tracing is off they get null instead, and do nothing. */

/** The identity of a sampled span: what other spans continue, or link to. */
export interface SpanIdentity {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  /** The `tracestate` that belongs to it, as it was received; '': none. */
  readonly state: string;
}

/** A span of another process, as a producer sends it. */
export interface RemoteSpan extends SpanIdentity {
  readonly sampled: boolean;
}

export type Attributes = Readonly<Record<string, string | number | boolean>>;

export function isSameSpan(a: SpanIdentity, b: SpanIdentity): boolean {
  return a.spanId === b.spanId && a.traceId === b.traceId;
}

export interface SpanStart {
  readonly name: string;
  readonly kind: 'server' | 'producer' | 'consumer';
  /** Monotonic time in milliseconds. */
  readonly startedMs: number;
  /** Null: the span begins a trace. */
  readonly parent: SpanIdentity | null;
  /** LINKS_MAX at most are kept. */
  readonly links: readonly SpanIdentity[];
  readonly attributes: Attributes;
}

/** A span that is recorded. */
export interface Span {
  readonly identity: SpanIdentity;
  /**
   * Ends it, once.
   * @param errorType why it ended badly, from a bounded set. Messages are in the log, which removes secrets from them
   */
  end(attributes: Attributes, errorType?: string): void;
}

export interface Tracing {
  /** Whether to record a span that continues this one, or, with null, one that begins a trace. */
  samples(parent: RemoteSpan | null): boolean;
  /** Starts a span. Call it only for what is sampled. */
  start(span: SpanStart): Span;
}

/** Links of one span. */
export const LINKS_MAX = 128;

/** What a log line has that belongs to a sampled request or segment: the names of OpenTelemetry's specification. */
export type TraceFields = Readonly<Partial<Record<'trace_id' | 'span_id', string>>>;

export function traceFields(identity: SpanIdentity | null | undefined): TraceFields {
  return identity ? { trace_id: identity.traceId, span_id: identity.spanId } : {};
}
