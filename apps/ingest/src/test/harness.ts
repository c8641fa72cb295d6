import { request } from 'node:http';
import type { OutgoingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { createLogger, Readiness, Registry, systemClock } from '@sink/runtime';
import type { SpanIdentity, Tracing } from '@sink/tracing';
import { expect, onTestFinished } from 'vitest';
import type { AppendOutcome, EventAppender, Part } from '../commit/appender.ts';
import { Admission, type AdmissionSettings } from '../http/admission.ts';
import { Lateness } from '../http/lateness.ts';
import { BodyRooms } from '../limits/body-rooms.ts';
import type { IngestMiddleware } from '../http/routes.ts';
import type { ProducerLimiter } from '../http/event-request.ts';
import { startIngestServer } from '../http/server.ts';
import type { HttpSettings, IngestServer } from '../http/server.ts';
import type { PortTls } from '../http/tls/tls-server.ts';
import { IngestMetrics } from '../metrics.ts';
import type { Producers } from '../producers/producers.ts';
import type { Validation } from '../validation/validation.ts';
import { FIXED_SETTINGS } from '../settings.ts';

/** Stands in for group commit: answers as the test says, at once or when the test lets it. */
export class ScriptedAppender implements EventAppender {
  /** The parts of each submission. */
  readonly parts: (readonly Part[])[] = [];
  readonly lines: string[] = [];
  readonly heldMs: number[] = [];
  /** Of each submission, whether its client has left. */
  readonly gone: (() => boolean)[] = [];
  /** Of each submission, the span of its request. */
  readonly spans: (SpanIdentity | null)[] = [];
  outcome: AppendOutcome = 'stored';
  held: (() => void)[] | null = null;

  submit(
    parts: readonly Part[],
    settled: (outcome: AppendOutcome) => void,
    heldMs: number,
    isGone: () => boolean = () => false,
    span: SpanIdentity | null = null,
  ): void {
    this.spans.push(span);
    this.gone.push(isGone);
    this.parts.push(parts);
    this.lines.push(...parts.flatMap(({ lines }) => lines));
    this.heldMs.push(heldMs);
    const settle = (): void => settled(this.outcome);
    if (this.held === null) setImmediate(settle);
    else this.held.push(settle);
  }

  /** From now on submissions wait for `letGo`. */
  hold(): void {
    this.held = [];
  }

  letGo(): void {
    const held = this.held ?? [];
    this.held = null;
    for (const settle of held) settle();
  }
}

export interface Ingest {
  port: number;
  server: IngestServer;
  appender: ScriptedAppender;
  readiness: Readiness;
  lateness: Lateness;
  /** Changes settings while the server runs, as a reload of the configuration does. */
  change: (changed: Partial<HttpSettings & AdmissionSettings>) => void;
  /** The value of one metric line, such as `sink_ingest_requests_total{status="202"}`; 0 when it is not there. */
  metric: (line: string) => Promise<number>;
}

export interface IngestSettings {
  config?: Partial<HttpSettings & AdmissionSettings>;
  timeouts?: Partial<HttpSettings>;
  sameService?: readonly string[];
  others?: readonly string[];
  middleware?: readonly IngestMiddleware[];
  tracing?: Tracing | null;
  producers?: Producers | null;
  validation?: Validation | null;
  limiter?: ProducerLimiter | null;
  tls?: PortTls | null;
}

/** A server on a free port, closed at the end of the test; it must have let go of every byte by then. */
export async function startIngest({
  config = {},
  timeouts = {},
  sameService = [],
  others = [],
  middleware = [],
  tracing = null,
  producers = null,
  validation = null,
  limiter = null,
  tls = null,
}: IngestSettings = {}): Promise<Ingest> {
  const appender = new ScriptedAppender();
  const readiness = new Readiness();
  readiness.set('starting', null);
  const registry = new Registry();
  const settings = {
    ...FIXED_SETTINGS,
    host: '127.0.0.1',
    port: 0,
    maxBodyBytes: 16 * 1024 * 1024,
    maxHeaderBytes: 65_536,
    attributeEncoding: 'auto' as const,
    malformedJson: 'store' as const,
    webhookAllowedOrigins: null,
    onInvalid: 'reject' as const,
    quarantineMaxBytes: 1024 * 1024,
    quarantineMaxPerSecond: 100,
    lenientContentType: false,
    maxInFlightBytes: 64 * 1024 * 1024,
    holdMaxMs: 4000,
    stopDelayMs: 0,
    drainMaxMs: 500,
    checkIntervalMs: 20,
    keepAliveTimeoutMs: 100_000,
    openFilesMax: null,
    ...config,
    ...timeouts,
  };
  const admission = new Admission(settings, () => systemClock.monotonicMs());
  const lateness = new Lateness(registry, () => systemClock.monotonicMs());
  const durability = { durability: 'fsync', barrier: { waitaof: false, replicas: 0 } };
  const server = await startIngestServer(
    {
      appender,
      admission,
      metrics: new IngestMetrics(registry, admission, durability),
      lateness,
      readiness,
      asked: { sameService, others },
      middleware,
      sharedPort: false,
      tracing,
      producers,
      validation,
      limiter,
      tls,
      bodyRooms: producers && new BodyRooms(settings, () => producers.list.length),
      clock: systemClock,
      log: createLogger({ service: 'ingest', level: 'error' }),
    },
    settings,
  );
  const metric = async (line: string): Promise<number> => {
    const found = (await registry.metrics()).split('\n').find((text) => text.startsWith(`${line} `));
    return Number(found?.slice(line.length + 1) ?? 0);
  };
  onTestFinished(async () => {
    appender.letGo();
    await server.close();
    await expect.poll(() => metric('sink_ingest_in_flight_bytes'), { message: 'bytes still in flight' }).toBe(0);
    await expect.poll(() => metric('sink_ingest_waiting_requests'), { message: 'requests still waiting' }).toBe(0);
  });
  const change: Ingest['change'] = (changed) => {
    Object.assign(settings, changed);
    server.settingsChanged();
  };
  return { port: server.port, server, appender, readiness, lateness, change, metric };
}

export interface Answer {
  status: number;
  headers: NodeJS.Dict<string | string[]>;
  body: string;
}

export interface Message {
  method?: string;
  path?: string;
  headers?: OutgoingHttpHeaders;
  body?: Buffer | string;
}

/** One request on a connection of its own. */
export function send(port: number, { method = 'POST', path = '/', headers = {}, body = '' }: Message): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.once('end', () => {
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          body: Buffer.concat(chunks).toString(),
        });
      });
    });
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}

/** The header fields of a valid event in binary mode, with more or other ones. */
export function binary(more: OutgoingHttpHeaders = {}): OutgoingHttpHeaders {
  return { 'Ce-Id': '1', 'Ce-Source': '/s', 'Ce-Specversion': '1.0', 'Ce-Type': 't', ...more };
}

export const RAW_BINARY = 'Host: h\r\nCe-Id: 1\r\nCe-Source: /s\r\nCe-Specversion: 1.0\r\nCe-Type: t\r\n';

/** A bare connection, for clients that behave badly. */
export class RawClient {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  #text = '';
  #changed: (() => void)[] = [];

  constructor(port: number) {
    this.socket = connect({ host: '127.0.0.1', port });
    this.socket.setEncoding('latin1');
    this.socket.on('data', (text: string) => {
      this.#text += text;
      this.#notify();
    });
    this.socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      this.socket.once('close', () => {
        this.#notify();
        resolve();
      });
    });
    onTestFinished(() => void this.socket.destroy());
  }

  get text(): string {
    return this.#text;
  }

  send(text: string | Buffer): void {
    this.socket.write(text);
  }

  /** Waits until what came back matches; rejects when the connection ends before. */
  async until(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.#text)) {
      if (this.socket.destroyed) throw new Error(`the connection ended with: ${this.#text}`);
      await new Promise<void>((resolve) => this.#changed.push(resolve));
    }
    return this.#text;
  }

  #notify(): void {
    for (const resolve of this.#changed.splice(0)) resolve();
  }
}
