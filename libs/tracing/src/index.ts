export { openTracing, registerTracingMetrics } from './open-tracing.ts';
export { asRemote, originsField, parseSegmentTrace, SegmentOrigins, segmentTrace } from './origins.ts';
export type { Origin, SegmentTrace } from './origins.ts';
export { isSameSpan, LINKS_MAX, traceFields } from './port.ts';
export type { Attributes, RemoteSpan, Span, SpanIdentity, SpanStart, TraceFields, Tracing } from './port.ts';
export { parseTraceparent } from './trace-context.ts';
