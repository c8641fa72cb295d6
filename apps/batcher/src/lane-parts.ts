import { randomBytes, randomUUID } from 'node:crypto';
import type { SinkConfig } from '@sink/config';
import type { DurabilityBarrier, BatcherLane } from '@sink/lane';
import type { Clock, Logger } from '@sink/runtime';
import type { InstanceLane } from './instance.ts';
import { LaneBatcher } from './lane-batcher.ts';
import type { BatcherMetrics } from './metrics.ts';
import type { BatcherEvents, HealthPort, RoomPort, SpoolPort, UploadsPort } from './ports.ts';
import { Sealer } from './sealer.ts';

/** Chunks asked for in one read, at most; how much that may be in bytes, ReadPace sees to. */
const READ_CHUNKS_MAX = 32;
/** How long a read waits for the first chunk; also bounds how long stopping waits for it. */
const READ_BLOCK_MS = 250;
/**
 * How long chunks that trickle in gather before they are read. At single events, reading each as it came was a third of
 * the batcher's CPU time and a quarter of Redis'; 50 instead of 20 ms takes another sixth off the batcher's. Only the
 * object waits for it.
 */
const READ_GATHER_MS = 50;
const CLAIM_EVERY_MS = 1_000;
const AUDIT_EVERY_MS = 10_000;
const SCRUB_EVERY_MS = 5_000;

export interface LaneParts {
  readonly config: SinkConfig;
  readonly durability: DurabilityBarrier;
  readonly consumer: string;
  readonly lane: BatcherLane;
  /** The same lane on a connection of its own, for reads that wait. */
  readonly reader: BatcherLane;
  /** Of all files that may be open, this lane's share. */
  readonly openFilesMax: number;
  readonly spool: SpoolPort;
  readonly room: RoomPort;
  readonly uploads: UploadsPort;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: BatcherMetrics;
  readonly health: HealthPort;
  readonly sealingHealth: HealthPort;
}

/** What one instance has for one lane. */
export function laneParts(parts: LaneParts): InstanceLane {
  const { config, durability, consumer, lane, reader, spool, room, uploads, clock, metrics, health } = parts;
  const label = { lane: String(lane.number) };
  const compression = {
    compression: config.compression,
    ...(config.compressionLevel === undefined ? {} : { compressionLevel: config.compressionLevel }),
  };
  const sealer = new Sealer(
    {
      ...{ lane, spool, uploads, clock },
      health: parts.sealingHealth,
      newUid: () => randomBytes(8).toString('hex'),
      sealed: (record) => {
        metrics.sealed.inc(label);
        metrics.sealedEvents.inc(label, record.count);
      },
    },
    { prefix: config.prefix, ...compression, durability },
  );
  const batcher = new LaneBatcher(
    {
      ...{ reader, lane, spool, room, sealer, clock },
      newSegmentId: () => `s-${randomUUID()}`,
      events: eventsOf(parts, label),
    },
    {
      consumer,
      flushSize: config.flushSize,
      flushBytes: config.flushBytes,
      scheduledIntervalMs: config.scheduledIntervalMs,
      ...compression,
      openFilesMax: parts.openFilesMax,
      readChunksMax: READ_CHUNKS_MAX,
      readBlockMs: READ_BLOCK_MS,
      readGatherMs: READ_GATHER_MS,
      claimEveryMs: CLAIM_EVERY_MS,
      auditEveryMs: AUDIT_EVERY_MS,
      scrubEveryMs: SCRUB_EVERY_MS,
    },
  );
  return { lane, sealer, batcher, health };
}

function eventsOf({ metrics, log, health }: LaneParts, label: { lane: string }): BatcherEvents {
  return {
    foreign: (lane, id, problem) => {
      metrics.foreign.inc(label);
      log.error({ lane, id, problem }, 'an entry of the stream is not a chunk of this release; it is left untouched');
    },
    claimed: (lane, from, chunks) => {
      metrics.claimed.inc(label, chunks);
      log.info({ lane, from, chunks }, 'took over chunks of a batcher that died');
    },
    restored: (lane, chunks) => {
      metrics.restored.inc(label, chunks);
      log.warn({ lane, chunks }, "restored chunks that were in nobody's pending list");
    },
    recovering: (_lane, reason) => {
      metrics.recoveries.inc(label);
      health.failing(reason);
    },
    working: () => health.working(),
  };
}
