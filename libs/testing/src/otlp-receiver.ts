import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { eventually } from './eventually.ts';
import protobuf from 'protobufjs/light.js';

type Value = string | number | boolean;

/** A span as a collector sees it. */
export interface ReceivedSpan {
  readonly service: string;
  readonly resource: Readonly<Record<string, Value>>;
  readonly name: string;
  /** internal, server, client, producer or consumer. */
  readonly kind: string;
  readonly traceId: string;
  readonly spanId: string;
  /** '': the span begins its trace. */
  readonly parentSpanId: string;
  readonly traceState: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, Value>>;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly isError: boolean;
}

export interface OtlpReceiver {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string;
  readonly spans: readonly ReceivedSpan[];
  /** The header fields of each request. */
  readonly requests: readonly IncomingMessage['headers'][];
  /** What it answers: a status; or nothing at all. */
  answer: number | 'nothing';
  /** Waits for so many spans that `match`. */
  wait(count: number, match?: (span: ReceivedSpan) => boolean): Promise<ReceivedSpan[]>;
  close(): Promise<void>;
}

/** A collector for traces by OTLP over HTTP: it decodes the protobuf of opentelemetry-proto 1.x with a decoder of its own. */
export async function startOtlpReceiver({ port = 0 }: { readonly port?: number } = {}): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const requests: IncomingMessage['headers'][] = [];
  const server = createServer(
    (req, res) => void receive(req, res).catch((error: unknown) => res.destroy(error as Error)),
  );
  const receiver: OtlpReceiver = {
    url: '',
    spans,
    requests,
    answer: 200,
    wait: async (count, match = () => true) => {
      await eventually(
        () => {
          const found = spans.filter(match);
          if (found.length < count) throw new Error(`${found.length} of ${count} spans: ${JSON.stringify(spans)}`);
        },
        { timeoutMs: 20_000 },
      );
      return spans.filter(match);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };

  async function receive(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    requests.push(req.headers);
    if (receiver.answer === 'nothing') return;
    const isTraces = req.method === 'POST' && req.url === '/v1/traces';
    const status = isTraces && req.headers['content-type'] === 'application/x-protobuf' ? receiver.answer : 404;
    const body = Buffer.concat(chunks);
    if (status === 200) spans.push(...decode(req.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body));
    res.writeHead(status, { 'content-type': 'application/x-protobuf' }).end();
  }

  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  const address = server.address();
  const listening = typeof address === 'object' && address !== null ? address.port : 0;
  return Object.assign(receiver, { url: `http://127.0.0.1:${listening}` });
}

/** Fields of opentelemetry/proto/{collector,trace,resource,common}; a decoder skips those that are not named. */
const PROTO = protobuf.Root.fromJSON({
  nested: {
    Request: { fields: { resourceSpans: { rule: 'repeated', type: 'ResourceSpans', id: 1 } } },
    ResourceSpans: {
      fields: {
        resource: { type: 'Resource', id: 1 },
        scopeSpans: { rule: 'repeated', type: 'ScopeSpans', id: 2 },
      },
    },
    Resource: { fields: { attributes: { rule: 'repeated', type: 'KeyValue', id: 1 } } },
    ScopeSpans: { fields: { spans: { rule: 'repeated', type: 'Span', id: 2 } } },
    Span: {
      fields: {
        traceId: { type: 'bytes', id: 1 },
        spanId: { type: 'bytes', id: 2 },
        traceState: { type: 'string', id: 3 },
        parentSpanId: { type: 'bytes', id: 4 },
        name: { type: 'string', id: 5 },
        kind: { type: 'int32', id: 6 },
        startTimeUnixNano: { type: 'fixed64', id: 7 },
        endTimeUnixNano: { type: 'fixed64', id: 8 },
        attributes: { rule: 'repeated', type: 'KeyValue', id: 9 },
        links: { rule: 'repeated', type: 'Link', id: 13 },
        status: { type: 'Status', id: 15 },
      },
    },
    Link: { fields: { traceId: { type: 'bytes', id: 1 }, spanId: { type: 'bytes', id: 2 } } },
    Status: { fields: { code: { type: 'int32', id: 3 } } },
    KeyValue: { fields: { key: { type: 'string', id: 1 }, value: { type: 'AnyValue', id: 2 } } },
    AnyValue: {
      oneofs: { value: { oneof: ['stringValue', 'boolValue', 'intValue', 'doubleValue'] } },
      fields: {
        stringValue: { type: 'string', id: 1 },
        boolValue: { type: 'bool', id: 2 },
        intValue: { type: 'int64', id: 3 },
        doubleValue: { type: 'double', id: 4 },
      },
    },
  },
});
const KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'];
const STATUS_ERROR = 2;

interface KeyValue {
  readonly key: string;
  readonly value: { readonly value: string } & Readonly<Record<string, Value>>;
}

/** A request with all defaults filled in; bytes are Base64, 64-bit numbers are text. */
interface Request {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly KeyValue[] };
    readonly scopeSpans: readonly { readonly spans: readonly RawSpan[] }[];
  }[];
}

interface RawSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceState: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly KeyValue[];
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly status: { readonly code: number } | null;
}

function decode(body: Buffer): ReceivedSpan[] {
  const type = PROTO.lookupType('Request');
  const options = { longs: String, bytes: String, defaults: true, arrays: true, oneofs: true };
  const { resourceSpans } = type.toObject(type.decode(body), options) as Request;
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const attributes = valuesOf(resource.attributes);
    return scopeSpans.flatMap((scope) => scope.spans.map((span) => received(span, attributes)));
  });
}

function received(span: RawSpan, resource: ReceivedSpan['resource']): ReceivedSpan {
  return {
    service: String(resource['service.name']),
    resource,
    name: span.name,
    kind: KINDS[span.kind] ?? '',
    traceId: hex(span.traceId),
    spanId: hex(span.spanId),
    parentSpanId: hex(span.parentSpanId),
    traceState: span.traceState,
    startMs: Number(span.startTimeUnixNano) / 1e6,
    endMs: Number(span.endTimeUnixNano) / 1e6,
    attributes: valuesOf(span.attributes),
    links: span.links.map(({ traceId, spanId }) => ({ traceId: hex(traceId), spanId: hex(spanId) })),
    isError: span.status?.code === STATUS_ERROR,
  };
}

function valuesOf(attributes: readonly KeyValue[]): Record<string, Value> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => {
      const found = value[value.value] ?? '';
      return [key, value.value === 'intValue' ? Number(found) : found];
    }),
  );
}

function hex(base64: string): string {
  return Buffer.from(base64, 'base64').toString('hex');
}
