import { join } from 'node:path';
import type { Clock, FailureLog } from '@sink/runtime';
import { StartError } from '../start-error.ts';
import type { DiskPlan } from './disk-plan.ts';
import { AOF_FOLDER, type OwnRedisSettings } from './redis-conf.ts';
import { askRedis, infoNumber } from './redis-console.ts';
import { bytesBelow, freeBytes, removeOpenSegments } from './volume.ts';

const MIB = 1024 * 1024;
const LOOK_MS = 100;
/** After a rewrite that failed, or for which there was no room. */
const RETRY_MS = 2_000;
/** How long one brake holds writes. The next look renews it. */
const BRAKE_MS = 300;
/** Redis rewrites its file only if that gains as much. */
const GAIN_MIN_BYTES = 4 * MIB;
/** Free space with which Redis can work at all. */
const FLOOR_BYTES = 2 * MIB;

export interface DiskWatchOptions {
  readonly dataDir: string;
  readonly redis: Pick<OwnRedisSettings, 'directory' | 'port' | 'password'>;
  readonly plan: Pick<DiskPlan, 'isSmall' | 'rewriteMinBytes' | 'reserveBytes'>;
  /**
   * Whether a Redis on another host may still have the file open: the lock was taken from a sink that was only silent. Then
   * the file is rewritten before the services start, so that what that Redis may yet write goes to a file of the past.
   */
  readonly leavesOldFile?: boolean;
  readonly clock: Clock;
  readonly log: FailureLog;
}

interface Look {
  readonly freeBytes: number;
  /** All of the append-only file, and the part that the last rewrite made. */
  readonly fileBytes: number;
  readonly baseBytes: number;
}

/**
 * Keeps the file of the sink's own Redis within the volume (docs/adr/0017-small-disks.md): Redis ends when a write to it
 * fails. Redis by itself begins to rewrite its file without a look at the disk, and a rewrite that fills the disk ends it.
 */
export class DiskWatch {
  readonly #options: DiskWatchOptions;
  #rewriting = false;
  #braking = false;
  #retryMs = 0;
  #isShort = false;

  constructor(options: DiskWatchOptions) {
    this.#options = options;
  }

  /**
   * Before the services start: has the file rewritten if it is larger than planned, or the disk nearly full.
   * @throws StartError `disk_full`
   */
  async prepare(signal: AbortSignal): Promise<void> {
    const { dataDir } = this.#options;
    const liveBytes = await this.#liveBytes();
    let look = this.#look();
    if (this.#options.leavesOldFile === true && look.freeBytes >= liveBytes + FLOOR_BYTES)
      return this.#rewriteNow(signal);
    if (!this.#isDue(look) && look.freeBytes >= this.#options.plan.reserveBytes) return;
    if (look.freeBytes < liveBytes + FLOOR_BYTES) {
      removeOpenSegments(join(dataDir, 'spool'));
      look = this.#look();
    }
    if (look.fileBytes - liveBytes < GAIN_MIN_BYTES) return;
    const lacksBytes = liveBytes + FLOOR_BYTES - look.freeBytes;
    if (lacksBytes > 0) {
      if (look.freeBytes >= FLOOR_BYTES) return;
      const file = `Redis' file of ${mib(look.fileBytes)} has to be rewritten, which needs ${mib(liveBytes + FLOOR_BYTES)}`;
      const remedy = `free ${mib(lacksBytes)} or grow the volume by as much`;
      throw new StartError('disk_full', `the volume of ${dataDir} is full: ${file}: ${remedy}; no event is lost`);
    }
    await this.#rewriteNow(signal);
  }

  async #rewriteNow(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    await this.#rewrite();
    while (this.#rewriting && !signal.aborted) {
      await clock.sleep(LOOK_MS, signal);
      await this.#followRewrite(this.#look());
    }
  }

  async runUntil(ended: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!ended.aborted) {
      try {
        await this.#round();
      } catch {
        // Redis is being restarted, or loads its file.
        this.#rewriting = false;
      }
      await clock.sleep(LOOK_MS, ended);
    }
  }

  async #round(): Promise<void> {
    const { clock, plan } = this.#options;
    const look = this.#look();
    if (this.#rewriting) return this.#followRewrite(look);
    const isTight = look.freeBytes < plan.reserveBytes;
    if ((!isTight && !this.#isDue(look)) || clock.monotonicMs() < this.#retryMs) return;
    const liveBytes = await this.#liveBytes();
    const gains = look.fileBytes - liveBytes >= Math.max(GAIN_MIN_BYTES, isTight ? liveBytes / 4 : 0);
    const fits = look.freeBytes - FLOOR_BYTES >= liveBytes;
    this.#tell(gains && !fits, look, liveBytes);
    if (gains && fits) return this.#rewrite();
    this.#retryMs = clock.monotonicMs() + (gains ? LOOK_MS * 5 : RETRY_MS);
  }

  /** On a large disk Redis decides by itself. */
  #isDue({ fileBytes, baseBytes }: Look): boolean {
    const { isSmall, rewriteMinBytes } = this.#options.plan;
    return isSmall && fileBytes >= Math.max(rewriteMinBytes, 2 * baseBytes);
  }

  async #rewrite(): Promise<void> {
    await askRedis(this.#options.redis, 'BGREWRITEAOF').catch((error: unknown) => {
      if (!(error instanceof Error && error.message.includes('in progress'))) throw error;
    });
    this.#rewriting = true;
  }

  async #followRewrite(look: Look): Promise<void> {
    const { clock, plan, redis } = this.#options;
    const info = await askRedis(redis, 'INFO', 'persistence');
    this.#rewriting =
      infoNumber(info, 'aof_rewrite_in_progress') === 1 || infoNumber(info, 'aof_rewrite_scheduled') === 1;
    if (this.#rewriting) {
      if (look.freeBytes >= plan.reserveBytes / 2) return;
      // Events come faster than the rewrite: writes wait until it is done.
      await askRedis(redis, 'CLIENT', 'PAUSE', String(BRAKE_MS), 'WRITE');
      this.#braking = true;
      return;
    }
    if (this.#braking) await askRedis(redis, 'CLIENT', 'UNPAUSE');
    this.#braking = false;
    if (info.includes('aof_last_bgrewrite_status:err')) this.#retryMs = clock.monotonicMs() + RETRY_MS;
  }

  /** About the bytes that a rewritten file has. */
  async #liveBytes(): Promise<number> {
    const info = await askRedis(this.#options.redis, 'INFO', 'memory');
    return Math.ceil(infoNumber(info, 'used_memory_dataset') * 1.1) + MIB;
  }

  #look(): Look {
    const { directory } = this.#options.redis;
    const folder = join(directory, AOF_FOLDER);
    return {
      freeBytes: freeBytes(directory) ?? Number.MAX_SAFE_INTEGER,
      fileBytes: bytesBelow(folder),
      baseBytes: bytesBelow(folder, (name) => name.includes('.base.')),
    };
  }

  #tell(isShort: boolean, look: Look, liveBytes: number): void {
    if (isShort === this.#isShort) return;
    this.#isShort = isShort;
    const { log } = this.#options;
    if (isShort) log.warn({ ...look, liveBytes }, "the volume has no room to rewrite Redis' file: free some space");
    else log.info({}, "the volume has room to rewrite Redis' file again");
  }
}

function mib(bytes: number): string {
  return `${Math.ceil(bytes / MIB)} MiB`;
}
