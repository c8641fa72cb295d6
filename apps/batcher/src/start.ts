import { join } from 'node:path';
import { IoredisPort, LaneView, spoolLease } from '@sink/lane';
import { openRedis } from '@sink/redis';
import type { ServiceContext } from '@sink/runtime';
import { SpoolDirectory, SpoolError } from '@sink/spool';
import { UploadQueue } from '@sink/uploads';
import type { BatcherInstance } from './instance.ts';
import { Instances, type SpillParts } from './instances.ts';
import { BatcherMetrics } from './metrics.ts';
import { SpoolRoom } from './spool-room.ts';

const SPILL_LOOK_EVERY_MS = 1_000;

/** Starts the batcher: chunks in, sealed segments out, on all lanes of the sink. Stopping, it seals what is open. */
export async function startBatcher(context: ServiceContext): Promise<void> {
  const { config, log, readiness, registry, shutdown, signal, clock } = context;
  const spool = new SpoolDirectory(join(config.dataDir, 'spool'));
  await trySpool(spool);
  const { commands, connect, barrier: durability, backlogBytesMax } = await openRedis(context);
  const uploads = new UploadQueue(connect('queue'), config.sinkName, { log });
  shutdown.add('upload queue', () => uploads.close());

  const room = new SpoolRoom(
    { spool, maxBytes: config.maxSpoolBytes, reserveBytes: config.diskReserveBytes },
    clock,
    (problem) => {
      readiness.set('room', problem);
      if (problem === null) log.info('there is room for segment files again');
      else log.warn({ problem }, 'no room for segment files');
    },
  );
  await room.look().catch(() => undefined);
  const watching = room.watchUntil(signal);
  shutdown.add('room', () => watching);

  let current: BatcherInstance | null = null;
  const port = new IoredisPort(commands);
  const spoolId = await spool.idOrNull();
  const instances = new Instances({
    ...{ config, connect, durability, uploads, room, spoolId, clock, log, readiness },
    folders: spool,
    commands: port,
    spill: spillParts(),
    metrics: new BatcherMetrics(registry, {
      openFiles: () => current?.openFiles ?? 0,
      spoolBytes: () => room.usedBytes,
    }),
    onRunning: (instance) => (current = instance),
  });
  const running = instances.runUntil(signal);
  running.catch((error: unknown) => context.fail(error));
  shutdown.add('batcher', () => running.catch(() => undefined)); // told above

  function spillParts(): SpillParts | null {
    if (config.spillAtBytes === 'never' || spoolId === null) return null;
    const spilled = new UploadQueue(connect('queue'), config.sinkName, { log, spoolId });
    shutdown.add('queue of spilled uploads', () => spilled.close());
    const firstLane = new LaneView(port, config.sinkName, 0);
    return {
      spoolId,
      lookEveryMs: SPILL_LOOK_EVERY_MS,
      spillAtBytes: Math.floor((config.spillAtBytes ?? backlogBytesMax / 2) / config.lanes),
      uploaderIsHere: () => firstLane.leaseExists(spoolLease(spoolId)),
      uploads: {
        add: async (lane, segmentId) => {
          await spilled.add(lane, segmentId);
          await uploads.remove(segmentId);
        },
      },
    };
  }
}

/**
 * Whether segment files can be written here, so that a wrong `data_dir` shows at the start and not with the first event.
 * @throws SpoolError that only a person can put right
 */
async function trySpool(directory: SpoolDirectory): Promise<void> {
  try {
    await directory.tryWriting();
  } catch (error) {
    if (!(error instanceof SpoolError && (error.retryable || error.code === 'spool_gone'))) throw error;
  }
}
