import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import {
  type Attributes,
  isSameSpan,
  LINKS_MAX,
  parseTraceparent,
  type RemoteSpan,
  type Span,
  type SpanIdentity,
  type SpanStart,
  type TraceFields,
  traceFields,
  type Tracing,
} from '@sink/tracing';

const FIRST_SERVER_ERROR = 500;
const DEFAULT_PORTS = { http: 80, https: 443 } as const;
const HOST = /^(.+?)(?::(\d+))?$/;
/** What comes before the query. */
const BEFORE_QUERY = /^([^?]*)/;
/** Characters of an attribute that a producer chooses. */
const TEXT_CHARACTERS_MAX = 256;
/** A longer event is not parsed for its attributes. */
const LINE_CHARACTERS_MAX = 65_536;

/** An event's `traceparent`, and where the event is in its message. */
interface EventSpan {
  readonly index: number;
  readonly span: RemoteSpan;
}

/**
 * The spans of requests. One continues the `traceparent` of its request. Without that it continues the one of the message's
 * first event that has one which is sampled, and links to those of the other events (CloudEvents Distributed Tracing).
 */
export class RequestSpans {
  readonly #tracing: Tracing;
  /** Of the message that is being decoded. */
  #ofEvents: EventSpan[] = [];

  constructor(tracing: Tracing) {
    this.#tracing = tracing;
  }

  /** A message is decoded from now on. */
  decoding(): void {
    if (this.#ofEvents.length > 0) this.#ofEvents = [];
  }

  /** An event of this message has the extension. */
  readonly found = (traceparent: string, index: number): void => {
    if (this.#ofEvents.length > LINKS_MAX) return;
    const span = parseTraceparent(traceparent);
    if (span !== null) this.#ofEvents.push({ index, span });
  };

  /**
   * The span of a request whose message was decoded to these lines; null: it is not sampled.
   * @param startedMs monotonic
   */
  start(req: IncomingMessage, startedMs: number, lines: readonly string[]): RequestSpan | null {
    const parent = parentOf(req);
    if (parent !== null || this.#ofEvents.length === 0) {
      if (!this.#tracing.samples(parent)) return null;
      const links = this.#linksTo(lines).filter((link) => parent === null || !isSameSpan(link, parent));
      return this.#start(req, startedMs, { parent, links }, contentOf(lines));
    }
    const sampled = this.#ofEvents.some(({ span }) => this.#tracing.samples(span));
    if (!sampled) return null;
    const [first = null, ...others] = this.#linksTo(lines);
    return this.#start(req, startedMs, { parent: first, links: others }, contentOf(lines));
  }

  /** The span of a request that ends before its message was decoded. @param status null: nothing was answered */
  ended(req: IncomingMessage, startedMs: number, status: number | null, reason: string, producer?: string): void {
    const parent = parentOf(req);
    if (!this.#tracing.samples(parent)) return;
    this.#start(req, startedMs, { parent, links: [] }, {}).end(status, reason, producer);
  }

  #start(
    req: IncomingMessage,
    startedMs: number,
    relations: Pick<SpanStart, 'parent' | 'links'>,
    content: Attributes,
  ): RequestSpan {
    const { method = '' } = req;
    return new RequestSpan(
      this.#tracing.start({
        name: method,
        kind: 'server',
        startedMs,
        ...relations,
        attributes: { ...httpAttributes(req), ...content },
      }),
    );
  }

  /** The sampled spans of events, each once. Only now is their `tracestate` read. */
  #linksTo(lines: readonly string[]): SpanIdentity[] {
    const links: SpanIdentity[] = [];
    for (const { index, span } of this.#ofEvents) {
      if (!this.#tracing.samples(span) || links.some((link) => isSameSpan(link, span))) continue;
      const event = parsed(lines[index]);
      links.push(parseTraceparent(event?.['traceparent'], event?.['tracestate']) ?? span);
    }
    return links;
  }
}

/** The span of one sampled request. */
export class RequestSpan {
  readonly #span: Span;

  constructor(span: Span) {
    this.#span = span;
  }

  get identity(): SpanIdentity {
    return this.#span.identity;
  }

  get fields(): TraceFields {
    return traceFields(this.#span.identity);
  }

  /** @param status null: nothing was answered @param reason why there was no 2xx */
  end(status: number | null, reason?: string, producer?: string): void {
    const attributes = {
      ...(status !== null && { 'http.response.status_code': status }),
      ...(reason !== undefined && { 'sink.refusal.reason': reason }),
      ...(producer !== undefined && { 'sink.producer': producer }),
    };
    const isError = status === null || status >= FIRST_SERVER_ERROR;
    this.#span.end(attributes, isError ? (reason ?? String(status)) : undefined);
  }
}

function parentOf({ headers }: IncomingMessage): RemoteSpan | null {
  const { traceparent, tracestate } = headers;
  return traceparent === undefined ? null : parseTraceparent(traceparent, tracestate);
}

/** OpenTelemetry's conventions for HTTP servers. The query is left out: brokers send secrets in it. */
function httpAttributes({ method = '', url = '', headers, socket, httpVersion }: IncomingMessage): Attributes {
  const [, host = '', port] = HOST.exec(headers.host ?? '') ?? [];
  const size = Number(headers['content-length']);
  const scheme = socket instanceof TLSSocket ? 'https' : 'http';
  return {
    'http.request.method': method,
    'url.scheme': scheme,
    'url.path': shortened(BEFORE_QUERY.exec(url)?.[1]),
    'network.protocol.version': httpVersion,
    ...(host !== '' && { 'server.address': host, 'server.port': Number(port ?? DEFAULT_PORTS[scheme]) }),
    ...(socket.remoteAddress !== undefined && { 'network.peer.address': socket.remoteAddress }),
    ...(headers['user-agent'] !== undefined && { 'user_agent.original': shortened(headers['user-agent']) }),
    ...(Number.isSafeInteger(size) && { 'http.request.body.size': size }),
  };
}

/** The conventions for CloudEvents where there is one event, and those for messaging where there are more. */
function contentOf(lines: readonly string[]): Attributes {
  if (lines.length !== 1) return { 'messaging.batch.message_count': lines.length };
  const event = parsed(lines[0]);
  if (event === null) return {};
  const { id, source, type, specversion, subject } = event;
  return {
    'cloudevents.event_id': shortened(id),
    'cloudevents.event_source': shortened(source),
    'cloudevents.event_type': shortened(type),
    'cloudevents.event_spec_version': shortened(specversion),
    ...(typeof subject === 'string' && { 'cloudevents.event_subject': shortened(subject) }),
  };
}

function parsed(line: string | undefined): Readonly<Record<string, unknown>> | null {
  if (line === undefined || line.length > LINE_CHARACTERS_MAX) return null;
  return JSON.parse(line) as Record<string, unknown>;
}

function shortened(text: unknown): string {
  return String(text).slice(0, TEXT_CHARACTERS_MAX);
}
