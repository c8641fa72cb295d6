import type { LaneView } from '@sink/lane';
import { Instruments, type Registry } from '@sink/runtime';
import type { BatcherSettings } from './settings.ts';

/** What the gauges of a lane are compared with. */
type ObservedLimits = Pick<BatcherSettings, 'backlogBytesMax' | 'scheduledIntervalMs'>;

/** What closes a segment. */
const CLOSED_BY = [
  ...(['target', 'flush_size', 'flush_bytes', 'slices'] as const),
  ...(['interval', 'idle', 'slot_end', 'surplus', 'order', 'early', 'flush', 'stop'] as const),
] as const;
export type ClosedBy = (typeof CLOSED_BY)[number];

/** The batcher's figures. Labels are lanes, whose number the configuration bounds. */
export class BatcherMetrics extends Instruments {
  /** Segments being filled, those of them with a file, and the bytes of lines of the others. */
  openPaths = 0;
  openFiles = 0;
  openBytes = 0;
  /** Bytes of all files in the spool directory. */
  spoolBytes = 0;
  /** The disk of the spool; null: it cannot be seen. */
  disk: { readonly freeBytes: number; readonly totalBytes: number; readonly reserveBytes: number } | null = null;

  readonly sealed = this.counter('sink_segments_sealed_total', 'Segments that were sealed.', 'lane');
  readonly closed = this.counter(
    'sink_segments_closed_total',
    'Segments that were sealed, by what closed them: a limit (target, flush_size, flush_bytes, slices: 4,000 slices of chunks), interval, idle, slot_end, surplus (max_open_files, or memory), order (older chunks came), early (room on the disk, or spilling), flush, or stop.',
    'lane',
    'reason',
  );
  readonly sealedEvents = this.counter(
    'sink_segment_events_sealed_total',
    'Events in segments that were sealed.',
    'lane',
  );
  readonly recoveries = this.counter(
    'sink_batcher_recoveries_total',
    'How often the batcher discarded unsealed work after a failure and read it again.',
    'lane',
  );
  readonly claimed = this.counter(
    'sink_batcher_chunks_claimed_total',
    'Chunks taken over from batchers that had stopped.',
    'lane',
  );
  readonly restored = this.counter(
    'sink_batcher_chunks_restored_total',
    'Delivered chunks that were missing in the pending lists of all batchers and were restored there.',
    'lane',
  );
  readonly foreign = this.counter(
    'sink_batcher_foreign_entries_total',
    'Stream entries that are not chunks of this release. They are left unchanged.',
    'lane',
  );
  readonly waiting = this.gauge(
    'sink_batcher_waiting_chunks',
    'Chunks that wait because this batcher does not know their route. They are left unchanged.',
    'lane',
  );
  readonly tidied = this.counter(
    'sink_spool_files_tidied_total',
    'Spool files that were removed because they were no longer needed.',
  );
  readonly adopted = this.counter(
    'sink_spool_files_adopted_total',
    'Spilled files whose record was missing in Redis and was restored from the file.',
  );
  readonly quarantined = this.counter(
    'sink_spool_files_quarantined_total',
    'Damaged spilled files without a record that were set aside for an operator.',
  );
  readonly released = this.counter(
    'sink_segments_spilled_total',
    'Segments whose events were moved from Redis to the spool because the backlog was above spill_at.',
    'lane',
  );
  readonly #spilledEvents = this.gauge(
    'sink_spilled_events',
    'Accepted events that are stored in spool files only.',
    'lane',
  );
  readonly #spilledBytes = this.gauge(
    'sink_spilled_bytes',
    'Uncompressed bytes of accepted events that are stored in spool files only.',
    'lane',
  );
  readonly #backlogEvents = this.gauge(
    'sink_backlog_events',
    'Accepted events in Redis that are not in S3 yet.',
    'lane',
  );
  readonly #backlogBytes = this.gauge('sink_backlog_bytes', 'Bytes of the backlog in Redis.', 'lane');
  readonly #backlogBytesMax = this.gauge(
    'sink_backlog_max_bytes',
    'The size of the backlog in Redis at which ingest answers 503: the share of the lane in max_backlog_bytes.',
    'lane',
  );
  readonly #interval = this.gauge(
    'sink_scheduled_interval_seconds',
    'The scheduled_interval in force: how long after its first event an object is closed that is not full.',
  );
  readonly #oldest = this.gauge(
    'sink_oldest_unsealed_age_seconds',
    'Age of the oldest accepted event that is not sealed; 0 if there is none.',
    'lane',
  );
  readonly #fingerprints = this.gauge(
    'sink_dedupe_fingerprints',
    'Events that Redis remembers for dedupe_window.',
    'lane',
  );
  readonly #forgottenEarly = this.gauge(
    'sink_dedupe_forgotten_early',
    'How often Redis discarded a part of the fingerprints before dedupe_window ended because max_fingerprints was reached. Starts again at 0 when Redis has no fingerprints.',
    'lane',
  );

  constructor(registry: Registry) {
    super(registry);
    this.gaugeOf(
      'sink_spool_bytes',
      'Bytes of all files in the spool directory, as last measured.',
      () => this.spoolBytes,
    );
    this.gaugeOf(
      'sink_open_paths',
      'Objects that the batcher is filling, in memory and in files.',
      () => this.openPaths,
    );
    this.gaugeOf(
      'sink_open_bytes',
      'Bytes of events in the objects that the batcher is filling in memory, uncompressed.',
      () => this.openBytes,
    );
    this.gaugeOf('sink_open_files', 'Segment files that the batcher is filling.', () => this.openFiles);
    const disk = (name: string, help: string, field: 'freeBytes' | 'totalBytes' | 'reserveBytes'): void => {
      this.gaugeOf(name, help, () => this.disk?.[field] ?? Number.NaN);
    };
    disk('sink_disk_free_bytes', 'Bytes that are free on the disk of data_dir/spool.', 'freeBytes');
    disk('sink_disk_bytes', 'The size of the disk of data_dir/spool.', 'totalBytes');
    disk('sink_disk_reserve_bytes', 'The free bytes below which the batcher writes no files.', 'reserveBytes');
  }

  /** Reads a lane's gauges from Redis, and sets them beside the limits in force. */
  async observe(lane: LaneView, nowMs: number, limits: ObservedLimits): Promise<void> {
    const label = { lane: String(lane.number) };
    // From 0 on: Prometheus does not see the increase of a counter that begins at 1.
    const { sealed, sealedEvents, recoveries, claimed, restored, foreign, released } = this;
    for (const counter of [sealed, sealedEvents, recoveries, claimed, restored, foreign, released]) {
      counter.inc(label, 0);
    }
    for (const reason of CLOSED_BY) this.closed.inc({ ...label, reason }, 0);
    const [{ events, bytes }, spilled, oldestMs, { fingerprints, early }] = await Promise.all([
      lane.backlog(),
      lane.spilledBacklog(),
      lane.oldestUnsealedMs(),
      lane.remembered(),
    ]);
    this.#backlogEvents.set(label, events);
    this.#backlogBytes.set(label, bytes);
    this.#backlogBytesMax.set(label, limits.backlogBytesMax);
    this.#interval.set(limits.scheduledIntervalMs / 1_000);
    this.#spilledEvents.set(label, spilled.events);
    this.#spilledBytes.set(label, spilled.bytes);
    this.#fingerprints.set(label, fingerprints);
    this.#forgottenEarly.set(label, early);
    this.#oldest.set(label, oldestMs === null ? 0 : Math.max(0, (nowMs - oldestMs) / 1_000));
  }
}
