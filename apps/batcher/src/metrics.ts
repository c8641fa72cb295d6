import type { LaneView } from '@sink/lane';
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
  readonly adopted: Counter;
  readonly quarantined: Counter;
  readonly released: Counter<'lane'>;
  readonly #backlogEvents: Gauge<'lane'>;
  readonly #backlogBytes: Gauge<'lane'>;
  readonly #spilledEvents: Gauge<'lane'>;
  readonly #spilledBytes: Gauge<'lane'>;
  readonly #oldest: Gauge<'lane'>;
  readonly #fingerprints: Gauge<'lane'>;
  readonly #forgottenEarly: Gauge<'lane'>;

  /** Segment files being filled. */
  openFiles = 0;
  /** Bytes of all files in the spool directory. */
  spoolBytes = 0;

  constructor(registry: Registry) {
    const registers = [registry];
    const labelNames = ['lane'] as const;
    const counter = (name: string, help: string): Counter<'lane'> => new Counter({ name, help, labelNames, registers });
    const total = (name: string, help: string): Counter => new Counter({ name, help, registers });
    const gauge = (name: string, help: string): Gauge<'lane'> => new Gauge({ name, help, labelNames, registers });
    this.sealed = counter('sink_segments_sealed_total', 'Segments that were sealed.');
    this.sealedEvents = counter('sink_segment_events_sealed_total', 'Events in segments that were sealed.');
    this.recoveries = counter(
      'sink_batcher_recoveries_total',
      'How often the batcher discarded unsealed work after a failure and read it again.',
    );
    this.claimed = counter('sink_batcher_chunks_claimed_total', 'Chunks taken over from batchers that had stopped.');
    this.restored = counter(
      'sink_batcher_chunks_restored_total',
      'Delivered chunks that were missing in the pending lists of all batchers and were restored there.',
    );
    this.foreign = counter(
      'sink_batcher_foreign_entries_total',
      'Stream entries that are not chunks of this release. They are left unchanged.',
    );
    this.tidied = total(
      'sink_spool_files_tidied_total',
      'Spool files that were removed because they were no longer needed.',
    );
    this.adopted = total(
      'sink_spool_files_adopted_total',
      'Spilled files whose record was missing in Redis and was restored from the file.',
    );
    this.quarantined = total(
      'sink_spool_files_quarantined_total',
      'Damaged spilled files without a record that were set aside for an operator.',
    );
    this.released = counter(
      'sink_segments_spilled_total',
      'Segments whose events were moved from Redis to the spool because the backlog was above spill_at.',
    );
    this.#spilledEvents = gauge('sink_spilled_events', 'Accepted events that are stored in spool files only.');
    this.#spilledBytes = gauge(
      'sink_spilled_bytes',
      'Uncompressed bytes of accepted events that are stored in spool files only.',
    );
    this.#backlogEvents = gauge('sink_backlog_events', 'Accepted events in Redis that are not in S3 yet.');
    this.#backlogBytes = gauge('sink_backlog_bytes', 'Bytes of the backlog in Redis.');
    this.#oldest = gauge(
      'sink_oldest_unsealed_age_seconds',
      'Age of the oldest accepted event that is not sealed; 0 if there is none.',
    );
    this.#fingerprints = gauge('sink_dedupe_fingerprints', 'Events that Redis remembers for dedupe_window.');
    this.#forgottenEarly = gauge(
      'sink_dedupe_forgotten_early',
      'How often Redis discarded a part of the fingerprints before dedupe_window ended because max_fingerprints was reached. Starts again at 0 when Redis has no fingerprints.',
    );
    new Gauge({
      name: 'sink_spool_bytes',
      help: 'Bytes of all files in the spool directory, as last measured.',
      registers,
      collect: gaugeOf(() => this.spoolBytes),
    });
    new Gauge({
      name: 'sink_open_files',
      help: 'Segment files that the batcher is filling.',
      registers,
      collect: gaugeOf(() => this.openFiles),
    });
  }

  /** Reads a lane's gauges from Redis. */
  async observe(lane: LaneView, nowMs: number): Promise<void> {
    const label = { lane: String(lane.number) };
    const [{ events, bytes }, spilled, oldestMs, { fingerprints, early }] = await Promise.all([
      lane.backlog(),
      lane.spilledBacklog(),
      lane.oldestUnsealedMs(),
      lane.remembered(),
    ]);
    this.#backlogEvents.set(label, events);
    this.#backlogBytes.set(label, bytes);
    this.#spilledEvents.set(label, spilled.events);
    this.#spilledBytes.set(label, spilled.bytes);
    this.#fingerprints.set(label, fingerprints);
    this.#forgottenEarly.set(label, early);
    this.#oldest.set(label, oldestMs === null ? 0 : Math.max(0, (nowMs - oldestMs) / 1_000));
  }
}

/** A `collect` that sets the gauge when it is read. */
function gaugeOf(value: () => number): (this: Gauge) => void {
  return function collect(this: Gauge) {
    this.set(value());
  };
}
