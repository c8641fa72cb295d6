import { setTimeout as sleep } from 'node:timers/promises';
import { IoredisPort, IngestLane } from '@sink/lane';
import { eventually } from '@sink/testing';
import { Redis } from 'ioredis';

/** The default of the services. */
const SINK_NAME = 'sink-aws-s3';
/** Each writer has one append in flight, as in ingest: while Redis fsyncs one, the next ones arrive. */
const WRITERS = 4;
/** How precisely the end of a phase is seen, and that of a short one. One look costs Redis some ten microseconds. */
const POLL_MS = 20;
const SHORT_POLL_MS = 4;
const SHORT_MS = 1_000;

/** So long that no batcher takes over from one that is paused while its backlog is filled. */
export const STANDSTILL = { SINK_LEASE: '300s' };
/** Has room for 5 million events within the share of the backlog, below the level at which segments are spilled. */
export const LARGE_BACKLOG = { redisMaxmemory: '10gb' };

export interface PreparedChunk {
  readonly partition: string;
  readonly count: number;
  /** NDJSON. Every line ends in LF. */
  readonly body: Buffer;
}

/** Access to the lane of a running sink: appends prepared chunks with the shipped steps, and reads its state. */
export class LaneAccess {
  readonly #connections: readonly Redis[];
  readonly #writers: readonly { readonly lane: IngestLane; readonly id: string; sequence: number }[];
  readonly #lane: IngestLane;

  private constructor(connections: readonly Redis[], lanes: readonly IngestLane[], ids: readonly string[]) {
    const [first] = lanes;
    if (first === undefined) throw new Error('connecting to the lane: there are no writers');
    this.#connections = connections;
    this.#lane = first;
    this.#writers = lanes.map((lane, index) => ({ lane, id: ids[index] ?? '', sequence: 0 }));
  }

  static async connect(redisUrl: string): Promise<LaneAccess> {
    const connections = Array.from({ length: WRITERS }, () => new Redis(redisUrl));
    const lanes = connections.map((redis) => new IngestLane(new IoredisPort(redis), SINK_NAME, 0));
    // A batcher that is ready may not have opened the lane yet.
    await Promise.all(lanes.map((lane) => lane.open('bench')));
    return new LaneAccess(connections, lanes, await Promise.all(lanes.map((lane) => lane.registerWriter('bench'))));
  }

  /**
   * Appends `count` chunks for a paused batcher, and waits until Redis is idle. Later counts and times are those of
   * this backlog.
   *
   * @returns the time of the appends, and the last chunk that the batcher has read
   */
  async fillWhilePaused(
    count: number,
    chunk: (index: number) => PreparedChunk,
    timeoutMs: number,
  ): Promise<{ readonly appendSeconds: number; readonly delivered: string }> {
    await this.#dropWaitingReads();
    const startMs = performance.now();
    await this.append(count, chunk);
    const appendSeconds = (performance.now() - startMs) / 1000;
    await this.#rewritten(timeoutMs);
    return { appendSeconds, delivered: await this.#lastDelivered() };
  }

  /** Appends `count` chunks, with one append at a time of each writer. @throws when one is refused */
  async append(count: number, chunk: (index: number) => PreparedChunk): Promise<void> {
    let next = 0;
    await Promise.all(
      this.#writers.map(async (writer) => {
        while (next < count) {
          const { partition, count: events, body } = chunk(next++);
          const answer = await writer.lane.append({
            entries: [{ route: '_default', path: partition, count: events, body, bytes: body.length }],
            furtherBytes: 0,
            writer: writer.id,
            sequence: ++writer.sequence,
            acceptedAtMs: Date.now(),
            backlogBytesMax: Number.MAX_SAFE_INTEGER,
          });
          if (answer !== 'stored') throw new Error(`filling the backlog: an append was answered ${answer}`);
        }
      }),
    );
  }

  /** Waits until a batcher has read every chunk. */
  async delivered(timeoutMs: number): Promise<void> {
    const last = await this.#lane.lastAppended();
    await this.#until(timeoutMs, 'chunks are not delivered yet', async () => (await this.#lastDelivered()) === last);
  }

  /** Waits until a batcher has read the first chunk. The time before does not count as its work. */
  async deliveryBegan(since: string, timeoutMs: number): Promise<void> {
    await this.#until(timeoutMs, 'no chunk is delivered', async () => (await this.#lastDelivered()) !== since);
  }

  /** Waits until every event is in a sealed segment. */
  async sealed(timeoutMs: number): Promise<void> {
    await this.#until(timeoutMs, 'not all is sealed', async () => (await this.#lane.oldestUnsealedMs()) === null);
  }

  /** Waits until every event is in an object and its chunk has left Redis. */
  async committed(timeoutMs: number): Promise<void> {
    await this.#until(timeoutMs, 'not all is committed', async () => (await this.#lane.backlog()).events === 0);
  }

  close(): void {
    for (const redis of this.#connections) redis.disconnect();
  }

  /**
   * Ends the reads of a paused batcher that wait in Redis. Such a read would get the first chunk and lose it, and the
   * last object would wait until the batcher's audit finds that chunk again.
   */
  async #dropWaitingReads(): Promise<void> {
    const [redis] = this.#connections;
    const clients = (await redis?.client('LIST')) as string;
    for (const client of clients.split('\n')) {
      const id = /\bid=(\d+) /.exec(client)?.[1];
      if (id !== undefined && client.includes(' cmd=xreadgroup ')) await redis?.client('KILL', 'ID', id);
    }
  }

  /** The id of the last chunk that a batcher has read. */
  async #lastDelivered(): Promise<string> {
    const [redis] = this.#connections;
    const groups: unknown = await redis?.call('xinfo', 'GROUPS', this.#lane.keys.chunks);
    const group: unknown = Array.isArray(groups) ? groups[0] : null;
    const id: unknown = Array.isArray(group) ? group[group.indexOf('last-delivered-id') + 1] : null;
    if (typeof id !== 'string') throw new Error(`looking at the lane's group: ${JSON.stringify(groups)}`);
    return id;
  }

  /** Waits until Redis does not rewrite its append-only file, because that takes disk and CPU from the measurement. */
  async #rewritten(timeoutMs: number): Promise<void> {
    await this.#until(timeoutMs, 'Redis still rewrites its append-only file', async () => {
      const persistence = (await this.#connections[0]?.info('persistence')) ?? '';
      return /aof_rewrite_in_progress:0\s/.test(persistence) && /aof_rewrite_scheduled:0\s/.test(persistence);
    });
  }

  async #until(timeoutMs: number, problem: string, reached: () => Promise<boolean>): Promise<void> {
    const startMs = performance.now();
    await eventually(
      async () => {
        if (await reached()) return;
        if (performance.now() - startMs > SHORT_MS) await sleep(POLL_MS);
        throw new Error(problem);
      },
      { timeoutMs, intervalMs: SHORT_POLL_MS },
    );
  }
}
