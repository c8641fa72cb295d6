import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '@sink/testing';
import { Pipeline, type ServiceKind } from '../harness/pipeline.ts';
import { PrometheusServer } from './prometheus-server.ts';

const KINDS: readonly ServiceKind[] = ['ingest', 'batcher', 'uploader'];
const PRODUCERS = 4;
const EVENTS_IN_BATCH = 25;
const PAUSE_MS = 40;
const TOKEN = 'token-of-the-producers';

const SETTINGS = {
  SINK_FLUSH_SIZE: '500',
  SINK_SCHEDULED_INTERVAL: '2',
  SINK_MANIFESTS: 'true',
  SINK_DEDUPE_WINDOW: '1h',
  SINK_HOLD_MAX: '500ms',
  SINK_MAX_BACKLOG_BYTES: '64MiB',
  SINK_RECEIPTS_MAX: '1000',
  SINK_MAX_FINGERPRINTS: '50000',
  SINK_SPILL_AT: '1MiB',
  SINK_COMPRESSION: 'gzip',
  SINK_PRODUCERS: JSON.stringify([
    { name: 'watched', bearer: { tokens: [TOKEN] }, limits: { events_per_second: 100_000 } },
  ]),
};

/** A sink with two of each service under load, and a Prometheus that scrapes it each second. */
export class WatchedSink {
  readonly pipeline: Pipeline;
  readonly prometheus: PrometheusServer;
  readonly fromMs = Date.now();
  toMs = 0;
  #sent = 0;

  private constructor(pipeline: Pipeline, prometheus: PrometheusServer) {
    this.pipeline = pipeline;
    this.prometheus = prometheus;
  }

  static async start(): Promise<WatchedSink> {
    const pipeline = await Pipeline.start({
      ...{ ingests: 2, batchers: 2, uploaders: 2, settings: SETTINGS },
      // So that metrics which a parent adds up are among them.
      environmentOf: (name) => (name === 'ingest-2' ? { SINK_INGEST_WORKERS: '2' } : {}),
    });
    const addresses = (kind: ServiceKind): string[] => pipeline.of(kind).map(({ opsUrl }) => new URL(opsUrl).host);
    const targets = Object.fromEntries(KINDS.map((kind) => [`sink-${kind}`, addresses(kind)]));
    return new WatchedSink(pipeline, await PrometheusServer.start(targets));
  }

  /** Load, with something of each kind that can fail; and then the sink works off what is left. */
  async live(): Promise<void> {
    const over = new AbortController();
    const producers = Array.from({ length: PRODUCERS }, () => this.#produce(over.signal));
    await this.#faults();
    over.abort();
    await Promise.all(producers);
    await this.pipeline.drained();
    await sleep(2_000);
    this.toMs = Date.now();
  }

  async stop(): Promise<void> {
    await this.prometheus.stop();
    await this.pipeline.stop();
  }

  async #faults(): Promise<void> {
    const { s3, redis } = this.pipeline;
    await sleep(10_000);
    const slowDown = { kind: 'error', status: 503, code: 'SlowDown' } as const;
    const throttled = await s3.control.addFault({ match: { operation: 'PutObject' }, effect: slowDown });
    await sleep(8_000);
    await s3.control.removeFault(throttled);
    await s3.control.setPermissions('none');
    await this.#until('sink_uploads_parked > 0');
    await this.#until('sink_spilled_bytes > 0');
    await s3.control.setPermissions('all');
    const [batcher] = this.pipeline.of('batcher');
    await batcher?.process.kill('SIGKILL');
    await sleep(4_000);
    if (batcher) await this.pipeline.revive(batcher);
    await redis.kill();
    await sleep(3_000);
    await redis.restart();
    await sleep(10_000);
  }

  /** Until a scrape shows it. */
  async #until(expr: string): Promise<void> {
    const shown = async (): Promise<boolean> => {
      const nowMs = Date.now();
      return (await this.prometheus.range(expr, nowMs - 1_000, nowMs)).length > 0;
    };
    await eventually(shown, { timeoutMs: 45_000, intervalMs: 500 });
  }

  async #produce(over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      const ingests = this.pipeline.of('ingest');
      const { url = '' } = ingests[this.#sent % ingests.length] ?? {};
      const { headers, body } = this.#request();
      const authorization = `Bearer ${TOKEN}`;
      await fetch(url, { method: 'POST', headers: { ...headers, authorization }, body }).then(
        (answer) => answer.arrayBuffer(),
        () => undefined,
      );
      await sleep(PAUSE_MS);
    }
  }

  /** Mostly a batch; now and then a duplicate of an earlier one, what is no event, or data that is no JSON. */
  #request(): { headers: Record<string, string>; body: string } {
    const number = this.#sent++;
    const attributes = { specversion: '1.0', source: '/watched', type: 'test' };
    if (number % 50 === 49) return { headers: { 'content-type': 'application/cloudevents+json' }, body: '{' };
    if (number % 20 === 19) {
      const headers = {
        'ce-specversion': '1.0',
        'ce-source': '/watched',
        'ce-type': 'test',
        'ce-id': `opaque-${number}`,
      };
      return { headers: { ...headers, 'content-type': 'application/json' }, body: '{"a":' };
    }
    const batch = number % 10 === 9 ? number - 8 : number;
    const data = 'x'.repeat(400);
    const events = Array.from({ length: EVENTS_IN_BATCH }, (_, index) => ({
      ...attributes,
      id: `${batch}-${index}`,
      data,
    }));
    return { headers: { 'content-type': 'application/cloudevents-batch+json' }, body: JSON.stringify(events) };
  }
}
