import { DEFAULT_ROUTE, destinationOf, type SealedSegment } from '@sink/domain';
import { asRemote, parseSegmentTrace, type Span, type TraceFields, traceFields, type Tracing } from '@sink/tracing';
import { classify } from './failure.ts';
import type { UploadResult } from './upload-segment.ts';

/** The span of one try to upload a segment: it continues the segment's seal, and links to its sampled requests. */
export class UploadSpan {
  readonly #span: Span;

  private constructor(span: Span) {
    this.#span = span;
  }

  /** Null: the record names no span, or none that this process samples. */
  static start(
    tracing: Tracing,
    record: SealedSegment,
    { place, startedMs }: { readonly place: string; readonly startedMs: number },
  ): UploadSpan | null {
    const { route, path } = destinationOf(record);
    const trace = parseSegmentTrace(record.trace);
    if (trace === null || !tracing.samples(asRemote(trace.seal))) return null;
    const span = tracing.start({
      name: 'upload',
      kind: 'consumer',
      startedMs,
      parent: trace.seal,
      links: trace.requests,
      attributes: {
        'messaging.operation.name': 'upload',
        'messaging.operation.type': 'process',
        'messaging.batch.message_count': record.count,
        'sink.partition': path,
        ...(route === DEFAULT_ROUTE ? {} : { 'sink.route': route }),
        'sink.segment.id': record.id,
        'sink.object.key': record.key,
        'sink.object.place': place,
      },
    });
    return new UploadSpan(span);
  }

  get fields(): TraceFields {
    return traceFields(this.#span.identity);
  }

  ended(result: UploadResult): void {
    if (result.kind === 'gone') this.#span.end({ 'sink.upload.result': 'gone' });
    else {
      const { existed, source, receipt } = result;
      this.#span.end({
        'sink.upload.result': existed ? 'existed' : 'stored',
        'sink.upload.source': source,
        ...(receipt.objectBytes === null ? {} : { 'sink.object.bytes': receipt.objectBytes }),
      });
    }
  }

  failed(error: unknown): void {
    const { kind, code } = classify(error);
    this.#span.end({ 'sink.upload.failure': kind }, code);
  }
}
