/**
 * The spans from which events come, as they travel with them: in an optional field of a chunk, and in its segment's record.
 * Both are JSON, for sampled requests only. Nothing depends on them: what cannot be read is ignored.
 */
import { isSameSpan, LINKS_MAX, type RemoteSpan, type SpanIdentity, type Tracing } from './port.ts';
import { parseStoredIdentity, storedIdentity } from './trace-context.ts';

/** The span of a sampled request, and where its events are in the chunk: `from` (inclusive) to `to` (exclusive). */
export interface Origin {
  readonly span: SpanIdentity;
  readonly from: number;
  readonly to: number;
}

/** Characters of a chunk's field: 128 origins, unless they have long `tracestate`s. */
const FIELD_CHARACTERS_MAX = 16_384;

/**
 * The field of a chunk with `count` events. Origins beyond the limits are left out.
 * @returns undefined if there are none
 */
export function originsField(count: number, origins: readonly Origin[]): string | undefined {
  const entries: string[] = [];
  let characters = 0;
  for (const { span, from, to } of origins.slice(0, LINKS_MAX)) {
    const entry = JSON.stringify([from, to, storedIdentity(span)]);
    characters += entry.length + 1;
    if (characters > FIELD_CHARACTERS_MAX) break;
    entries.push(entry);
  }
  return entries.length === 0 ? undefined : `[${count},${entries.join()}]`;
}

/**
 * The spans of the requests whose events are among those from `from` to `to` of a chunk with `count` events. If append has
 * dropped duplicates, the positions are no longer known: then all spans of the chunk.
 */
export function originsOf(field: string, count: number, from: number, to: number): SpanIdentity[] {
  const [appended, ...entries] = parsedList(field);
  const found: SpanIdentity[] = [];
  for (const entry of entries.slice(0, LINKS_MAX)) {
    const [first, end, stored] = Array.isArray(entry) ? (entry as unknown[]) : [];
    const span = parseStoredIdentity(stored);
    if (span === null || typeof first !== 'number' || typeof end !== 'number') continue;
    if (appended !== count || (first < to && end > from)) found.push(span);
  }
  return found;
}

/** What the record of a segment has of its seal: the span of that, and those of its requests. */
export interface SegmentTrace {
  readonly seal: string;
  readonly requests: readonly string[];
}

export function segmentTrace(seal: SpanIdentity, requests: readonly SpanIdentity[]): SegmentTrace {
  return { seal: storedIdentity(seal), requests: requests.map(({ traceId, spanId }) => `${traceId}-${spanId}`) };
}

/** Null if a record has none, or an unreadable one. */
export function parseSegmentTrace(
  stored: unknown,
): { readonly seal: SpanIdentity; readonly requests: readonly SpanIdentity[] } | null {
  if (typeof stored !== 'object' || stored === null || !('seal' in stored) || !('requests' in stored)) return null;
  const seal = parseStoredIdentity(stored.seal);
  if (seal === null || !Array.isArray(stored.requests)) return null;
  const requests = stored.requests.slice(0, LINKS_MAX).map(parseStoredIdentity);
  return { seal, requests: requests.filter((span) => span !== null) };
}

/** An identity that was stored: only those of sampled spans are. */
export function asRemote(span: SpanIdentity): RemoteSpan {
  return { ...span, sampled: true };
}

/** The sampled spans of requests whose events are in one segment, at most LINKS_MAX. */
export class SegmentOrigins {
  readonly #tracing: Tracing;
  readonly #spans: SpanIdentity[] = [];

  constructor(tracing: Tracing) {
    this.#tracing = tracing;
  }

  /** In the order in which they were added. */
  get spans(): readonly SpanIdentity[] {
    return this.#spans;
  }

  add(field: string, count: number, from: number, to: number): void {
    for (const span of originsOf(field, count, from, to)) {
      if (this.#spans.length === LINKS_MAX) return;
      const isKnown = this.#spans.some((known) => isSameSpan(known, span));
      if (!isKnown && this.#tracing.samples(asRemote(span))) this.#spans.push(span);
    }
  }
}

function parsedList(json: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(json);
    return Array.isArray(value) ? (value as unknown[]) : [];
  } catch {
    return [];
  }
}
