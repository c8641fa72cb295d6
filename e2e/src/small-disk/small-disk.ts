import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, freePort, type ManagedProcess, type S3Process, startProcess, startS3Process } from '@sink/testing';
import type { TinyDisk } from '../harness/tiny-disk.ts';

const MAIN = join(import.meta.dirname, '../../../apps/sink/src/main.ts');
const BUCKET = 'mybucket';
const CREDENTIALS = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};
const AWAY = {
  match: { operation: 'PutObject' },
  effect: { kind: 'error', status: 503, code: 'ServiceUnavailable' },
} as const;

const EVENT_BYTES = 10_000;
const BATCH_EVENTS = 50;
const TEXT = 'y'.repeat(EVENT_BYTES);
const START_MS = 60_000;
const DRAIN_MS = 180_000;
const REQUEST_MS = 20_000;
/** With so many refusals in a row the sink takes nothing more. */
const REFUSALS_FULL = 6;

/** The whole sink as `npm start` runs it, with its own Redis, its data on a small disk and an S3 that can be away. */
export class SinkOnSmallDisk {
  readonly disk: TinyDisk;
  readonly s3: S3Process;
  readonly acknowledged = new Set<string>();
  readonly #environment: Readonly<Record<string, string>>;
  readonly #url: string;
  #process: ManagedProcess | null = null;
  #sent = 0;

  private constructor(disk: TinyDisk, s3: S3Process, environment: Readonly<Record<string, string>>) {
    this.disk = disk;
    this.s3 = s3;
    this.#environment = environment;
    this.#url = `http://127.0.0.1:${environment['SINK_PORT'] ?? ''}/`;
  }

  static async prepare(disk: TinyDisk, settings: Readonly<Record<string, string>> = {}): Promise<SinkOnSmallDisk> {
    const s3 = await startS3Process({ bucket: BUCKET, ...CREDENTIALS });
    return new SinkOnSmallDisk(disk, s3, {
      NODE_ENV: 'test',
      SINK_HOST: '127.0.0.1',
      SINK_PORT: String(await freePort()),
      SINK_INGEST_OPS_PORT: String(await freePort()),
      SINK_BATCHER_OPS_PORT: String(await freePort()),
      SINK_UPLOADER_OPS_PORT: String(await freePort()),
      SINK_DATA_DIR: disk.directory,
      SINK_BUCKET: BUCKET,
      SINK_REGION: 'us-west-2',
      SINK_ENDPOINT: s3.url,
      SINK_AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
      SINK_AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
      SINK_SCHEDULED_INTERVAL: '2',
      SINK_HOLD_MAX: '1s',
      SINK_INGEST_WORKERS: '1',
      ...settings,
    });
  }

  /** What the sink has printed since its last start. */
  get output(): string {
    return this.#process?.output() ?? '';
  }

  /** Starts it without waiting until it is ready. */
  async launch(): Promise<ManagedProcess> {
    const env = { npm_lifecycle_event: undefined, ...this.#environment };
    return (this.#process = await startProcess({ command: process.execPath, args: [MAIN], env }));
  }

  /** Starts it, and waits until it answers. While S3 is away and the spool is full, not every service is ready. */
  async start(): Promise<void> {
    await this.launch();
    await eventually(
      async () => {
        if (!(await fetch(`${this.#url}healthz`)).ok) throw new Error(`it does not answer: ${this.output}`);
      },
      { timeoutMs: START_MS },
    );
  }

  /** Kills the supervisor; its services and its Redis stop by themselves. */
  async crash(): Promise<void> {
    await this.#process?.kill('SIGKILL');
  }

  /** Stops it in order. */
  async stop(): Promise<number | null> {
    return (await this.#process?.kill('SIGTERM'))?.code ?? null;
  }

  /** Stops everything that is left, after a failed test too. */
  async end(): Promise<void> {
    await this.stop();
    await this.s3.stop();
  }

  /** S3 answers no PUT until the returned function is called. */
  async away(): Promise<() => Promise<void>> {
    const fault = await this.s3.control.addFault(AWAY);
    return () => this.s3.control.removeFault(fault);
  }

  /** Sends batches one after the other until `enough`. Each is sent once; resolves to the acknowledged bytes per second. */
  async send(
    enough: (progress: { readonly sentBytes: number; readonly refusals: number }) => boolean,
  ): Promise<number> {
    const startedMs = performance.now();
    let acknowledgedBytes = 0;
    let sentBytes = 0;
    let refusals = 0;
    while (!enough({ sentBytes, refusals })) {
      const ids = Array.from({ length: BATCH_EVENTS }, () => String(this.#sent++));
      const status = await this.#post(ids);
      sentBytes += BATCH_EVENTS * EVENT_BYTES;
      if (status === 202) {
        refusals = 0;
        acknowledgedBytes += BATCH_EVENTS * EVENT_BYTES;
        for (const id of ids) this.acknowledged.add(id);
      } else {
        refusals += 1;
        await sleep(100);
      }
    }
    return acknowledgedBytes / ((performance.now() - startedMs) / 1000);
  }

  sendBytes(bytes: number): Promise<number> {
    return this.send(({ sentBytes }) => sentBytes >= bytes);
  }

  /** Until Redis and the spool hold as much as they may. */
  async sendUntilFull(): Promise<void> {
    await this.send(({ refusals }) => refusals >= REFUSALS_FULL);
  }

  /** Waits until a batch is acknowledged. */
  async takesEvents(timeoutMs: number): Promise<void> {
    const before = this.acknowledged.size;
    await eventually(
      async () => {
        await this.sendBytes(1);
        if (this.acknowledged.size === before) throw new Error('no batch is acknowledged');
      },
      { timeoutMs, intervalMs: 200 },
    );
  }

  /** Waits until every acknowledged event is in the bucket. Returns events that are there more than once. */
  async drained(): Promise<readonly string[]> {
    const places = new Map<string, number>();
    const read = new Set<string>();
    await eventually(
      async () => {
        for (const key of await this.s3.control.keys()) {
          if (read.has(key) || key.includes('/_')) continue;
          read.add(key);
          const lines = (await this.s3.control.body(key)).toString('utf8').split('\n').slice(0, -1);
          for (const line of lines) {
            const id = /"id":"(\d+)"/.exec(line)?.[1] ?? line;
            places.set(id, (places.get(id) ?? 0) + 1);
          }
        }
        const missing = [...this.acknowledged].filter((id) => !places.has(id));
        if (missing.length > 0) throw new Error(`${missing.length} of ${this.acknowledged.size} are not in the bucket`);
      },
      { timeoutMs: DRAIN_MS, intervalMs: 500 },
    );
    return [...places].filter(([, count]) => count > 1).map(([id]) => id);
  }

  async #post(ids: readonly string[]): Promise<number> {
    const events = ids.map((id) => ({ specversion: '1.0', id, source: '/small-disk', type: 't', data: TEXT }));
    try {
      const response = await fetch(this.#url, {
        method: 'POST',
        headers: { 'content-type': 'application/cloudevents-batch+json' },
        body: JSON.stringify(events),
        signal: AbortSignal.timeout(REQUEST_MS),
      });
      await response.arrayBuffer();
      return response.status;
    } catch {
      return 0;
    }
  }
}
