import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { SinkConfig } from '@sink/config';
import { type Durability, IoredisPort, Lane, rememberLanes } from '@sink/lane';
import { awaitRedis, connectRedis, requireRedis } from '@sink/redis';
import { describeError, type ServiceContext } from '@sink/runtime';
import { openSpool, type Spool, SpoolError } from '@sink/spool';
import { UploadQueue } from '@sink/uploads';
import { BatcherInstance, type InstanceLane } from './instance.ts';
import { tidySpool } from './janitor.ts';
import { LaneBatcher } from './lane-batcher.ts';
import { BatcherMetrics } from './metrics.ts';
import { Sealer } from './sealer.ts';
import { spoolFolders, spoolPort } from './spool-folders.ts';

/** Chunks asked for in one read: with 1 MB at most each, this bounds what is in memory at a time. */
const READ_CHUNKS_MAX = 32;
/** How long a read waits for the first chunk; also bounds how long stopping waits for it. */
const READ_BLOCK_MS = 250;
const CLAIM_EVERY_MS = 1_000;
const AUDIT_EVERY_MS = 10_000;
const SCRUB_EVERY_MS = 5_000;
/** How often gauges are read, the spool is tidied, writers are retired and new lanes are looked for. */
const HOUSEKEEPING_EVERY_MS = 5_000;
/** A writer that has not appended for this long is forgotten; if it is alive after all, it registers again. */
const WRITER_IDLE_MAX_MS = 3_600_000;
const RENEWALS_PER_LEASE = 3;
/** A batcher's reads block for READ_BLOCK_MS; no answer for this long means the connection is dead. */
const BLOCKING_TIMEOUT_MS = 5_000;

/** Starts the batcher: chunks in, sealed segments out, on all lanes of the sink. */
export async function startBatcher(context: ServiceContext): Promise<void> {
  const { config, log, readiness, registry, shutdown, signal, clock } = context;
  const settings = requireRedis(config.redis);
  const onError = (error: Error): void => log.debug({ err: describeError(error) }, 'redis connection');
  const commands = connectRedis(settings, 'commands', { onError });
  shutdown.add('redis', async () => commands.disconnect());
  const { features } = await awaitRedis(commands, config, { log, readiness, signal, clock });
  const port = new IoredisPort(commands);
  const durability: Durability = {
    waitaof: config.durability === 'fsync' && features.waitaof,
    replicas: config.replicas,
    timeoutMs: 1_000,
  };
  const queueConnection = connectRedis(settings, 'queue', { onError });
  const uploads = new UploadQueue(queueConnection, config.sinkName, { log });
  shutdown.add('upload queue', async () => {
    await uploads.close();
    queueConnection.disconnect();
  });

  const stop = new AbortController();
  let current: BatcherInstance | null = null;
  const metrics = new BatcherMetrics(registry, () => current?.openFiles ?? 0);

  const service = (async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const numbers = await rememberLanes(port, config.sinkName, config.lanes);
      const consumer = `b-${randomUUID()}`;
      const spool = await openSpool(join(config.dataDir, 'spool'), consumer);
      const lanes = numbers.map((lane) => new Lane(port, config.sinkName, lane));
      const readers = numbers.map(() =>
        connectRedis(settings, 'blocking', { onError, commandTimeoutMs: BLOCKING_TIMEOUT_MS }),
      );
      const sealers: Sealer[] = [];
      const parts = lanes.map((lane, index): InstanceLane => {
        const reader = readers[index];
        if (!reader) throw new Error('starting a lane: it has no reader');
        const part = instanceLane({
          context,
          config,
          durability,
          consumer,
          spool,
          uploads,
          metrics,
          lane,
          reader: new Lane(new IoredisPort(reader), config.sinkName, lane.number),
        });
        sealers.push(part.sealer);
        return part;
      });
      const instanceStop = new AbortController();
      const halt = AbortSignal.any([stop.signal, instanceStop.signal]);
      current = new BatcherInstance(parts, clock, {
        consumer,
        leaseMs: config.leaseMs,
        renewEveryMs: config.leaseMs / RENEWALS_PER_LEASE,
      });
      const housekeeping = keepHouse({
        context,
        lanes,
        port,
        spool,
        consumer,
        sealers,
        metrics,
        halt,
        moreLanes: () => instanceStop.abort(),
      });
      log.info({ consumer, lanes: numbers }, 'batcher instance runs');
      try {
        const ended = await current.run(halt);
        if (ended === 'lease_lost') log.warn({ consumer }, 'lease lost; starting again under a new name');
      } catch (error) {
        // Somebody took this instance for dead and tidied its folder away: its lease is gone too.
        if (!(error instanceof SpoolError && error.code === 'spool_gone')) throw error;
        log.warn({ consumer, err: describeError(error) }, 'spool folder lost; starting again under a new name');
      } finally {
        instanceStop.abort();
        await housekeeping;
        for (const reader of readers) reader.disconnect();
        await spool.close();
      }
    }
  })();
  service.catch((error: unknown) => context.fail(error));
  shutdown.add('batcher', async () => {
    stop.abort();
    await service;
  });
}

function instanceLane(parts: {
  context: ServiceContext;
  config: SinkConfig;
  durability: Durability;
  consumer: string;
  spool: Spool;
  uploads: UploadQueue;
  metrics: BatcherMetrics;
  lane: Lane;
  reader: Lane;
}): InstanceLane {
  const { config, durability, consumer, uploads, metrics, lane, reader } = parts;
  const spool = spoolPort(parts.spool);
  const { clock, log } = parts.context;
  const label = { lane: String(lane.number) };
  const compression = {
    compression: config.compression,
    ...(config.compressionLevel === undefined ? {} : { compressionLevel: config.compressionLevel }),
  };
  const sealer = new Sealer(
    {
      lane,
      spool,
      uploads,
      clock,
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
      reader,
      lane,
      spool,
      sealer,
      clock,
      newSegmentId: () => `s-${randomUUID()}`,
      events: {
        foreign: (number, id, problem) => {
          metrics.foreign.inc(label);
          log.error(
            { lane: number, id, problem },
            'an entry of the stream is not a chunk of this release; it is left untouched',
          );
        },
        claimed: (number, from, chunks) => {
          metrics.claimed.inc(label, chunks);
          log.info({ lane: number, from, chunks }, 'took over chunks of a batcher that died');
        },
        restored: (number, chunks) => {
          metrics.restored.inc(label, chunks);
          log.warn({ lane: number, chunks }, "restored chunks that were in nobody's pending list");
        },
        recovering: (number, reason) => {
          metrics.recoveries.inc(label);
          log.warn({ lane: number, err: describeError(reason) }, 'reading unsealed work again');
        },
      },
    },
    {
      consumer,
      flushSize: config.flushSize,
      flushBytes: config.flushBytes,
      scheduledIntervalMs: config.scheduledIntervalMs,
      ...compression,
      openFilesMax: config.maxOpenFiles,
      readChunksMax: READ_CHUNKS_MAX,
      readBlockMs: READ_BLOCK_MS,
      claimEveryMs: CLAIM_EVERY_MS,
      auditEveryMs: AUDIT_EVERY_MS,
      scrubEveryMs: SCRUB_EVERY_MS,
    },
  );
  return { lane, sealer, batcher };
}

/** What has time, beside the lanes' loops: gauges, spool, writers of dead ingests, lanes that came later. */
async function keepHouse(house: {
  context: ServiceContext;
  lanes: readonly Lane[];
  port: IoredisPort;
  spool: Spool;
  consumer: string;
  sealers: readonly Sealer[];
  metrics: BatcherMetrics;
  halt: AbortSignal;
  moreLanes: () => void;
}): Promise<void> {
  const { lanes, port, spool, consumer, sealers, metrics, halt, moreLanes } = house;
  const { clock, config, log, readiness } = house.context;
  const folders = spoolFolders(spool.directory);
  const cursors = new Map<Lane, string>();
  while (!halt.aborted) {
    try {
      for (const lane of lanes) {
        await metrics.observe(lane, clock.wallMs());
        const { cursor } = await lane.retireWriters(cursors.get(lane) ?? '0', WRITER_IDLE_MAX_MS);
        cursors.set(lane, cursor);
      }
      const inUse = (segmentId: string): boolean => sealers.some((sealer) => sealer.isClosing(segmentId));
      metrics.tidied.inc(await tidySpool(folders, lanes, { instance: consumer, inUse }));
      const known = await rememberLanes(port, config.sinkName, config.lanes);
      if (known.length > lanes.length) moreLanes();
      readiness.set('redis', null);
    } catch (error) {
      readiness.set('redis', 'Redis does not answer');
      log.debug({ err: describeError(error) }, 'housekeeping failed; it is tried again');
    }
    await clock.sleep(HOUSEKEEPING_EVERY_MS, halt);
  }
}
