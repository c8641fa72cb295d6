import type { BatcherLane } from '@sink/lane';
import type { SpoolFile } from '@sink/spool';
import type { SpoolFolders } from './ports.ts';
import { settleMarked } from './spilled-files.ts';

export interface JanitorOptions {
  /** Our own instance: its files are looked at too, but for those that are open or being sealed. */
  readonly instance: string;
  readonly inUse: (segmentId: string) => boolean;
  /** The spool directory's id; null while it has none: then nothing is marked as spilled either. */
  readonly spoolId: string | null;
  /** Files looked at in one call; where it ended, the next call of the same janitor goes on. Default 1,000. */
  readonly filesMax?: number;
}

/** What became of the files that were looked at. */
export interface Tidied {
  readonly removed: number;
  /** Files whose record Redis had lost, and has again. */
  readonly adopted: number;
  /** Files that were put aside for a person. */
  readonly quarantined: number;
}

interface Place {
  readonly instance: string;
  readonly file: SpoolFile;
}

const FILES_MAX = 1_000;

/**
 * Looks after the spool's files. Those that nobody needs any more go: of an instance without a lease whatever is open, and
 * everywhere sealed files without a record (refused, or committed by an uploader elsewhere). The files of a living
 * neighbour are never touched. Nothing is lost by such a file too many that goes: until commit, an uploader rebuilds it
 * from the chunks. One that is marked as spilled may be the only copy, and is settled with Redis first.
 */
export class Janitor {
  readonly #folders: SpoolFolders;
  readonly #lanes: readonly BatcherLane[];
  readonly #options: JanitorOptions;
  /** What is still to be looked at, since the spool was listed. */
  #rest: Place[] = [];

  constructor(folders: SpoolFolders, lanes: readonly BatcherLane[], options: JanitorOptions) {
    this.#folders = folders;
    this.#lanes = lanes;
    this.#options = options;
  }

  async tidy(): Promise<Tidied> {
    const tidied = { removed: 0, adopted: 0, quarantined: 0 };
    if (this.#rest.length === 0) this.#rest = await this.#list();
    for (const place of this.#rest.splice(0, this.#options.filesMax ?? FILES_MAX)) {
      const became = await this.#settle(place);
      if (became !== 'kept') tidied[became] += 1;
      if (became === 'removed' && !this.#isOwn(place)) await this.#folders.removeIfEmpty(place.instance);
    }
    return tidied;
  }

  /** Files that may be looked at: not the open ones of ours, nothing of a living neighbour. */
  async #list(): Promise<Place[]> {
    const places: Place[] = [];
    for (const instance of await this.#folders.instances()) {
      const own = instance === this.#options.instance;
      if (!own && (await this.#anyLane((lane) => lane.leaseExists(instance)))) continue;
      const files = await this.#folders.files(instance);
      if (!own && files.length === 0) await this.#folders.removeIfEmpty(instance);
      for (const file of files) {
        if (file.state === 'quarantined' || (own && file.state === 'open')) continue;
        places.push({ instance, file });
      }
    }
    return places;
  }

  async #settle({ instance, file }: Place): Promise<keyof Tidied | 'kept'> {
    const { segmentId, state } = file;
    if (this.#options.inUse(segmentId)) return 'kept';
    if (state !== 'open' && (await this.#anyLane((lane) => lane.awaitsUpload(segmentId)))) return 'kept';
    if (state === 'spilled') {
      const { spoolId } = this.#options;
      if (spoolId === null) return 'kept';
      return settleMarked(this.#folders, this.#lanes, spoolId, instance, file); // rule: spill.settled
    }
    await this.#folders.remove(instance, file);
    return 'removed';
  }

  #isOwn({ instance }: Place): boolean {
    return instance === this.#options.instance;
  }

  async #anyLane(holds: (lane: BatcherLane) => Promise<boolean>): Promise<boolean> {
    for (const lane of this.#lanes) if (await holds(lane)) return true;
    return false;
  }
}
