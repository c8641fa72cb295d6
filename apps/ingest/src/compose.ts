import { IngestLane, type RedisPort } from '@sink/lane';
import type { Registry } from '@sink/runtime';
import { type EventAppender, FingerprintAppender, RoundRobinAppender } from './commit/appender.ts';
import { GroupCommit, type GroupCommitClock } from './commit/group-commit.ts';
import { LaneWriter, type WriterClock, type WriterPorts } from './commit/lane-writer.ts';
import { Admission } from './http/admission.ts';
import { IngestMetrics } from './metrics.ts';
import type { CommitSettings } from './settings.ts';

export interface IngestPorts extends Omit<WriterPorts, 'clock' | 'duplicates'> {
  /** Opens a connection for one writer, which has one append in flight. */
  readonly connect: () => RedisPort;
  readonly clock: GroupCommitClock & WriterClock;
  readonly registry: Registry;
  /** Receives a broken invariant. */
  readonly crash: (error: unknown) => void;
}

/** Ingest without its HTTP server. */
export interface Ingest {
  readonly appender: EventAppender;
  readonly admission: Admission;
  readonly metrics: IngestMetrics;
  /** Takes no more events, waits until all have settled, and removes the writers from Redis. */
  stop(): Promise<void>;
}

/** Wires ingest: metrics, and for each lane a group commit with its writers. The service, its tests and the model use it. */
export function composeIngest(ports: IngestPorts, settings: CommitSettings): Ingest {
  const { clock, fingerprint } = ports;
  const admission = new Admission(settings, () => clock.monotonicMs());
  const metrics = new IngestMetrics(ports.registry, admission, settings);
  const writerPorts: WriterPorts = {
    clock,
    newUid: ports.newUid,
    fingerprint,
    failed: ports.failed,
    hasDiskRoom: ports.hasDiskRoom,
    tracing: ports.tracing ?? null,
    duplicates: (events) => metrics.duplicates(events),
  };
  const commits = Array.from({ length: settings.lanes }, (_, number) => {
    const writers = Array.from({ length: settings.writersPerLane }, () => {
      return new LaneWriter(new IngestLane(ports.connect(), settings.sinkName, number), writerPorts, settings);
    });
    return new GroupCommit(writers, clock, settings, ports.crash);
  });
  let stopped: Promise<void> | null = null;
  const stop = async (): Promise<void> => {
    await Promise.all(commits.map((commit) => commit.stop()));
  };
  const byFingerprint = settings.dedupe !== null && settings.lanes > 1;
  return {
    appender: byFingerprint
      ? new FingerprintAppender(commits, fingerprint, () => clock.monotonicMs())
      : new RoundRobinAppender(commits),
    admission,
    metrics,
    stop: () => (stopped ??= stop()),
  };
}
