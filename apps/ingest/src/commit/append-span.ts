import { type Origin, originsField, type Span, type TraceFields, traceFields, type Tracing } from '@sink/tracing';
import type { AppendOutcome } from './appender.ts';
import type { PendingAppend, PendingEntry } from './chunk-builder.ts';

/** Where chunks are stored, as messaging conventions name it. */
export interface StreamOfLane {
  /** The key of the stream. */
  readonly stream: string;
  readonly lane: number;
}

/** The span of an append that has events of sampled requests: it continues the first of them, and links to all. */
export class AppendSpan {
  readonly #span: Span;

  private constructor(span: Span) {
    this.#span = span;
  }

  /** Null: no request of the append is sampled. */
  static start(
    tracing: Tracing,
    append: PendingAppend,
    { stream, lane }: StreamOfLane,
    nowMs: number,
  ): AppendSpan | null {
    const links = append.waiting.map(({ span }) => span).filter((span) => span !== null);
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
        'messaging.batch.message_count': append.events,
        'sink.lane': lane,
        'sink.partition': append.entries[0]?.path ?? '',
        'sink.chunk.bytes': append.bytes,
        'sink.append.chunks': append.entries.length,
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

/** What the chunk of an entry carries along of its sampled requests. */
export function chunkOrigins({ lines, shares }: PendingEntry): string | undefined {
  const origins: Origin[] = [];
  let from = 0;
  for (const { of, events } of shares) {
    if (of.span !== null) origins.push({ span: of.span, from, to: from + events });
    from += events;
  }
  return originsField(lines.length, origins);
}
