import { type Origin, originsField, type Span, type TraceFields, traceFields, type Tracing } from '@sink/tracing';
import type { AppendOutcome } from './appender.ts';
import type { PendingChunk } from './chunk-builder.ts';

/** Where a chunk is stored, as messaging conventions name it. */
export interface Destination {
  /** The key of the stream. */
  readonly stream: string;
  readonly lane: number;
}

/** The span of storing a chunk that has events of sampled requests: it continues the first of them, and links to all. */
export class AppendSpan {
  readonly #span: Span;

  private constructor(span: Span) {
    this.#span = span;
  }

  /** Null: no request of the chunk is sampled. */
  static start(tracing: Tracing, chunk: PendingChunk, { stream, lane }: Destination, nowMs: number): AppendSpan | null {
    const links = sampledIn(chunk).map(({ span }) => span);
    const [first] = links;
    if (first === undefined) return null;
    const span = tracing.start({
      name: `append ${stream}`,
      kind: 'producer',
      startedMs: nowMs,
      parent: first,
      links,
      attributes: {
        'messaging.system': 'redis',
        'messaging.operation.name': 'append',
        'messaging.operation.type': 'send',
        'messaging.destination.name': stream,
        'messaging.batch.message_count': chunk.lines.length,
        'sink.lane': lane,
        'sink.partition': chunk.partition,
        'sink.chunk.bytes': chunk.bytes,
      },
    });
    return new AppendSpan(span);
  }

  get fields(): TraceFields {
    return traceFields(this.#span.identity);
  }

  end(outcome: AppendOutcome): void {
    const isFailure = outcome !== 'stored' && outcome !== 'gone';
    this.#span.end({ 'sink.outcome': outcome }, isFailure ? outcome : undefined);
  }
}

/** What the chunk carries along of its sampled requests. */
export function chunkOrigins(chunk: PendingChunk): string | undefined {
  return originsField(chunk.lines.length, sampledIn(chunk));
}

function sampledIn({ waiting }: PendingChunk): Origin[] {
  const origins: Origin[] = [];
  let from = 0;
  for (const { span, events } of waiting) {
    if (span !== null) origins.push({ span, from, to: from + events });
    from += events;
  }
  return origins;
}
