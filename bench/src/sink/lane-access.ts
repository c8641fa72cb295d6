import { setTimeout as sleep } from 'node:timers/promises';
import { IoredisPort, IngestLane } from '@sink/lane';
import { eventually } from '@sink/testing';
import { Redis } from 'ioredis';

/** As the services have it when nothing is configured. */
const SINK_NAME = 'sink-aws-s3';
/** Each with one append under way, as in ingest: while one is fsynced, the next ones are on their way. */
const WRITERS = 4;
/** How exactly the end of something is seen, and that of something short; a look costs Redis some ten microseconds. */
const POLL_MS = 20;
const SHORT_POLL_MS = 4;
const SHORT_MS = 1_000;

/** Nobody takes over from a batcher that stands still while its backlog is filled. */
export const STANDSTILL = { SINK_LEASE: '300s' };
/** Holds 5 million events within the share of the backlog, and below the level from which on segments are spilled. */
export const LARGE_BACKLOG = { redisMaxmemory: '10gb' };

export interface PreparedChunk {
  readonly partition: string;
  readonly count: number;
  /** NDJSON; every line ends in LF. */
  readonly body: Buffer;
}

/** The lane of a running sink, from beside: appends chunks that are ready, with the shipped steps, and looks at it. */
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

  /** The services have opened the lane before. */
  static async connect(redisUrl: string): Promise<LaneAccess> {
    const connections = Array.from({ length: WRITERS }, () => new Redis(redisUrl));
    const lanes = connections.map((redis) => new IngestLane(new IoredisPort(redis), SINK_NAME, 0));
    return new LaneAccess(connections, lanes, await Promise.all(lanes.map((lane) => lane.registerWriter())));
  }

  /**
   * Appends `count` chunks for a batcher that stands still, and waits until Redis has nothing else to do. What is counted
   * or timed from here on is of this backlog.
   *
   * @returns for how long it appended, and what was handed to the batcher last
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

  /** Appends `count` chunks, one after the other by each writer. @throws when one is refused */
  async append(count: number, chunk: (index: number) => PreparedChunk): Promise<void> {
    let next = 0;
    await Promise.all(
      this.#writers.map(async (writer) => {
        while (next < count) {
          const { body, ...rest } = chunk(next++);
          const answer = await writer.lane.append({
            ...{ ...rest, body, bytes: body.length, furtherBytes: 0 },
            ...{ writer: writer.id, sequence: ++writer.sequence },
            ...{ acceptedAtMs: Date.now(), backlogBytesMax: Number.MAX_SAFE_INTEGER },
          });
          if (answer !== 'stored') throw new Error(`filling the backlog: an append was answered ${answer}`);
        }
      }),
    );
  }

  /** Until every chunk was handed to a batcher. */
  async delivered(timeoutMs: number): Promise<void> {
    const last = await this.#lane.lastAppended();
    await this.#until(timeoutMs, 'chunks are not delivered yet', async () => (await this.#lastDelivered()) === last);
  }

  /** Until a batcher was handed the first chunk: what comes before is none of its pace. */
  async deliveryBegan(since: string, timeoutMs: number): Promise<void> {
    await this.#until(timeoutMs, 'no chunk is delivered', async () => (await this.#lastDelivered()) !== since);
  }

  /** Until every event stands in a sealed segment. */
  async sealed(timeoutMs: number): Promise<void> {
    await this.#until(timeoutMs, 'not all is sealed', async () => (await this.#lane.oldestUnsealedMs()) === null);
  }

  /** Until every event stands in an object, and its chunk left Redis. */
  async committed(timeoutMs: number): Promise<void> {
    await this.#until(timeoutMs, 'not all is committed', async () => (await this.#lane.backlog()).events === 0);
  }

  close(): void {
    for (const redis of this.#connections) redis.disconnect();
  }

  /**
   * Ends the reads that wait in Redis for a batcher that stands still. Such a read would be given the first chunk and be
   * lost with it, and the last object would wait for the audit that finds it again.
   */
  async #dropWaitingReads(): Promise<void> {
    const [redis] = this.#connections;
    const clients = (await redis?.client('LIST')) as string;
    for (const client of clients.split('\n')) {
      const id = /\bid=(\d+) /.exec(client)?.[1];
      if (id !== undefined && client.includes(' cmd=xreadgroup ')) await redis?.client('KILL', 'ID', id);
    }
  }

  /** The id of the chunk that was handed to a batcher last. */
  async #lastDelivered(): Promise<string> {
    const [redis] = this.#connections;
    const groups: unknown = await redis?.call('xinfo', 'GROUPS', this.#lane.keys.chunks);
    const group: unknown = Array.isArray(groups) ? groups[0] : null;
    const id: unknown = Array.isArray(group) ? group[group.indexOf('last-delivered-id') + 1] : null;
    if (typeof id !== 'string') throw new Error(`looking at the lane's group: ${JSON.stringify(groups)}`);
    return id;
  }

  /** Until Redis does not rewrite its append-only file any more: that takes disk and CPU from whatever is measured meanwhile. */
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
