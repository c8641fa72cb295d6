import type { Lane } from '@sink/lane';
import { Counter, Gauge, type Registry } from '@sink/runtime';

/** The batcher's figures. Labels are lanes, whose number the configuration bounds. */
export class BatcherMetrics {
  readonly sealed: Counter<'lane'>;
  readonly sealedEvents: Counter<'lane'>;
  readonly recoveries: Counter<'lane'>;
  readonly claimed: Counter<'lane'>;
  readonly restored: Counter<'lane'>;
  readonly foreign: Counter<'lane'>;
  readonly tidied: Counter;
  readonly #backlogEvents: Gauge<'lane'>;
  readonly #backlogBytes: Gauge<'lane'>;
  readonly #oldest: Gauge<'lane'>;
  readonly #fingerprints: Gauge<'lane'>;
  readonly #forgottenEarly: Gauge<'lane'>;

  constructor(registry: Registry, openFiles: () => number) {
    const registers = [registry];
    const labelNames = ['lane'] as const;
    const counter = (name: string, help: string): Counter<'lane'> => new Counter({ name, help, labelNames, registers });
    const gauge = (name: string, help: string): Gauge<'lane'> => new Gauge({ name, help, labelNames, registers });
    this.sealed = counter('sink_segments_sealed_total', 'Segments sealed.');
    this.sealedEvents = counter('sink_segment_events_sealed_total', 'Events in segments sealed.');
    this.recoveries = counter(
      'sink_batcher_recoveries_total',
      'Times that unsealed work was read again after a failure or doubt.',
    );
    this.claimed = counter('sink_batcher_chunks_claimed_total', 'Chunks taken over from batchers that died.');
    this.restored = counter(
      'sink_batcher_chunks_restored_total',
      "Delivered chunks that were in nobody's pending list.",
    );
    this.foreign = counter(
      'sink_batcher_foreign_entries_total',
      'Stream entries that are not chunks of this release; left untouched.',
    );
    this.tidied = new Counter({
      name: 'sink_spool_files_tidied_total',
      help: 'Spool files that nobody needed any more.',
      registers,
    });
    this.#backlogEvents = gauge('sink_backlog_events', 'Accepted events that are not in S3 yet.');
    this.#backlogBytes = gauge('sink_backlog_bytes', 'Bytes the sink keeps in Redis.');
    this.#oldest = gauge(
      'sink_oldest_unsealed_age_seconds',
      'Age of the oldest accepted event that is not sealed; 0 if there is none.',
    );
    this.#fingerprints = gauge('sink_dedupe_fingerprints', 'Events that are remembered for dedupe_window.');
    this.#forgottenEarly = gauge(
      'sink_dedupe_forgotten_early',
      'Times that a part of dedupe_window was forgotten early because max_fingerprints was reached, since it was last idle.',
    );
    new Gauge({
      name: 'sink_open_files',
      help: 'Segment files being filled.',
      registers,
      collect() {
        this.set(openFiles());
      },
    });
  }

  /** Reads a lane's gauges from Redis. */
  async observe(lane: Lane, nowMs: number): Promise<void> {
    const label = { lane: String(lane.number) };
    const [{ events, bytes }, oldestMs, { fingerprints, early }] = await Promise.all([
      lane.backlog(),
      lane.oldestUnsealedMs(),
      lane.remembered(),
    ]);
    this.#backlogEvents.set(label, events);
    this.#backlogBytes.set(label, bytes);
    this.#fingerprints.set(label, fingerprints);
    this.#forgottenEarly.set(label, early);
    this.#oldest.set(label, oldestMs === null ? 0 : Math.max(0, (nowMs - oldestMs) / 1_000));
  }
}
