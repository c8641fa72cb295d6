import { statfs } from 'node:fs/promises';
import type { Clock, Readiness } from '@sink/runtime';

/** Between two looks, no disk takes more events than the floor leaves room for. */
const LOOK_MS = 25;
/** There is room again with this many times the floor, so that ingest does not flap. */
const ROOM_AGAIN = 1.25;

export interface DiskRoomPorts {
  readonly clock: Pick<Clock, 'sleep'>;
  readonly readiness: Pick<Readiness, 'set'>;
}

/**
 * Whether the disk of the sink's own Redis has room for new events. Below the floor ingest stores nothing: a Redis whose
 * disk is full ends, and then nothing drains. What is left of the disk is for the steps by which events leave Redis.
 */
export class DiskRoom {
  readonly #directory: string;
  readonly #floorBytes: number;
  readonly #ports: DiskRoomPorts;
  #hasRoom = true;

  /** @param directory of Redis' file */
  constructor(directory: string, floorBytes: number, ports: DiskRoomPorts) {
    this.#directory = directory;
    this.#floorBytes = floorBytes;
    this.#ports = ports;
  }

  hasRoom(): boolean {
    return this.#hasRoom;
  }

  async watchUntil(ended: AbortSignal): Promise<void> {
    while (!ended.aborted) {
      await this.look().catch(() => undefined); // a system that does not say it
      await this.#ports.clock.sleep(LOOK_MS, ended);
    }
  }

  async look(): Promise<void> {
    const { bavail, bsize } = await statfs(this.#directory);
    const freeBytes = bavail * bsize;
    const hasRoom = freeBytes >= this.#floorBytes * (this.#hasRoom ? 1 : ROOM_AGAIN);
    if (hasRoom === this.#hasRoom) return;
    this.#hasRoom = hasRoom;
    const problem = `the disk of ${this.#directory} is nearly full: events are refused until there is room`;
    this.#ports.readiness.set('disk', hasRoom ? null : problem);
  }
}
