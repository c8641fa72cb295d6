import { DEFAULT_ROUTE } from '@sink/domain';
import { type SegmentTrace, segmentTrace, type Span, type TraceFields, traceFields, type Tracing } from '@sink/tracing';
import type { OpenSegment } from './open-segment.ts';

/** The span of closing and sealing a segment with events of sampled requests: it continues the first, and links to all. */
export class SealSpan {
  /** For the segment's record, so that its upload continues this span. */
  readonly trace: SegmentTrace;
  readonly #span: Span;

  private constructor(span: Span, trace: SegmentTrace) {
    this.#span = span;
    this.trace = trace;
  }

  /** Null: no event of the segment is from a sampled request. */
  static start(tracing: Tracing, segment: OpenSegment, stream: string, nowMs: number): SealSpan | null {
    const links = segment.origins?.spans ?? [];
    const [first] = links;
    if (first === undefined) return null;
    const isDefault = segment.destination.route === DEFAULT_ROUTE;
    const span = tracing.start({
      name: `seal ${stream}`,
      kind: 'consumer',
      startedMs: nowMs,
      parent: first,
      links,
      attributes: {
        'messaging.system': 'redis',
        'messaging.operation.name': 'seal',
        'messaging.operation.type': 'process',
        'messaging.destination.name': stream,
        'messaging.batch.message_count': segment.count,
        'sink.partition': segment.destination.path,
        ...(isDefault ? {} : { 'sink.route': segment.destination.route }),
        'sink.segment.id': segment.segmentId,
        'sink.segment.bytes': segment.bytes,
        'sink.segment.slices': segment.slices.length,
      },
    });
    return new SealSpan(span, segmentTrace(span.identity, links));
  }

  get fields(): TraceFields {
    return traceFields(this.#span.identity);
  }

  sealed(key: string): void {
    this.#span.end({ 'sink.object.key': key });
  }

  failed(error: unknown): void {
    this.#span.end({}, codeOf(error));
  }
}

function codeOf(error: unknown): string {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : '_OTHER';
}
