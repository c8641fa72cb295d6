import type { SegmentRecord } from '@sink/domain';
import type { BatcherLane } from '@sink/lane';
import type { SpoolFile } from '@sink/spool';
import type { BatcherSpool } from '../ports.ts';
import type { BatcherSettings } from '../settings.ts';

export interface SpoolJanitorPorts {
  readonly spool: Pick<BatcherSpool, 'instances' | 'files' | 'remove' | 'removeIfEmpty' | 'examine' | 'quarantine'>;
  readonly lanes: readonly BatcherLane[];
  /** Whether a segment's file is between sealed on disk and sealed in its lane. */
  readonly isClosing: (segmentId: string) => boolean;
}

export interface SpoolJanitorOptions {
  /** The own instance: its files are looked at too, except those that are open or closing. */
  readonly instance: string;
  /** Null: the spool directory has no id yet, and then no file is marked as spilled either. */
  readonly spoolId: string | null;
}

/** How many files were removed, adopted (Redis had lost their record and has it again), and set aside for an operator. */
export interface Tidied {
  readonly removed: number;
  readonly adopted: number;
  readonly quarantined: number;
}

interface Place {
  readonly instance: string;
  readonly file: SpoolFile;
}

/**
 * Tidies the spool's files. It removes what is superfluous: open files of an instance without a lease, and everywhere sealed
 * files without a record (the lane refused the segment, or an uploader on another machine committed it). It never touches
 * the files of another instance with a lease. Until the commit, an uploader can rebuild a removed sealed file from the
 * chunks. A file that is marked as spilled may be the only copy, so Redis is asked about it first.
 */
export class SpoolJanitor {
  readonly #ports: SpoolJanitorPorts;
  readonly #settings: Pick<BatcherSettings, 'tidyFilesMax' | 'barrier'>;
  readonly #options: SpoolJanitorOptions;
  /** Listed files that were not looked at yet. */
  #rest: Place[] = [];

  constructor(
    ports: SpoolJanitorPorts,
    settings: Pick<BatcherSettings, 'tidyFilesMax' | 'barrier'>,
    options: SpoolJanitorOptions,
  ) {
    this.#ports = ports;
    this.#settings = settings;
    this.#options = options;
  }

  /** Looks at `tidyFilesMax` files; the next call continues there. */
  async tidy(): Promise<Tidied> {
    const tidied = { removed: 0, adopted: 0, quarantined: 0 };
    if (this.#rest.length === 0) this.#rest = await this.#list();
    for (const place of this.#rest.splice(0, this.#settings.tidyFilesMax)) {
      const became = await this.#settle(place);
      if (became !== 'kept') tidied[became] += 1;
      if (became === 'removed' && !this.#isOwn(place.instance)) await this.#ports.spool.removeIfEmpty(place.instance);
    }
    return tidied;
  }

  /** Files that may be looked at: no open file of the own instance, none of another instance with a lease. */
  async #list(): Promise<Place[]> {
    const { spool } = this.#ports;
    const places: Place[] = [];
    for (const instance of await spool.instances()) {
      const own = this.#isOwn(instance);
      if (!own && (await this.#anyLane((lane) => lane.leaseExists(instance)))) continue;
      const files = await spool.files(instance);
      if (!own && files.length === 0) await spool.removeIfEmpty(instance);
      for (const file of files) {
        if (file.state === 'quarantined' || (own && file.state === 'open')) continue;
        places.push({ instance, file });
      }
    }
    return places;
  }

  async #settle({ instance, file }: Place): Promise<keyof Tidied | 'kept'> {
    const { spool, isClosing } = this.#ports;
    const { segmentId, state } = file;
    if (isClosing(segmentId)) return 'kept';
    if (state !== 'open' && (await this.#anyLane((lane) => lane.awaitsUpload(segmentId)))) return 'kept';
    if (state === 'spilled') {
      const { spoolId } = this.#options;
      if (spoolId === null) return 'kept';
      return this.#adoptOrQuarantine(spoolId, instance, file); // rule: spill.settled
    }
    await spool.remove(instance, file);
    return 'removed';
  }

  /**
   * Settles a file that is marked as spilled and has no record in Redis. An uploader removes the mark before it commits. So
   * either an uploader committed the segment while its release was under way, or Redis lost the record: it started empty, or
   * failed over. A file that may be the only copy gets its record again; a damaged one is set aside for an operator.
   */
  async #adoptOrQuarantine(spoolId: string, instance: string, file: SpoolFile): Promise<keyof Tidied | 'kept'> {
    const { spool } = this.#ports;
    const { segmentId } = file;
    const found = await spool.examine(instance, segmentId, { sealed: null });
    if (found.kind === 'damaged') return (await spool.quarantine(instance, segmentId)) ? 'quarantined' : 'kept';
    // Redis was asked before this look. A file that is still marked was not committed by an uploader that saw the mark.
    if (found.kind !== 'sound' || found.state !== 'spilled') return 'kept';
    const lane = await this.#laneOf(found.record);
    let answer = await lane?.adopt(found.record, spoolId);
    const { barrier } = this.#settings;
    if (lane !== undefined && answer === 'superfluous' && barrier.replicas > 0) {
      // A master that was replaced may still have chunks that the new one no longer has. If the barrier went to the new one,
      // so does the second question.
      if (!(await lane.reachedAfterWrite(barrier))) return 'kept'; // rule: janitor.barrier
      answer = await lane.adopt(found.record, spoolId);
    }
    if (answer === 'adopted') return 'adopted';
    if (answer !== 'superfluous') return 'kept';
    await spool.remove(instance, file);
    return 'removed';
  }

  /** The lane whose uid is in the key. If Redis started empty, lanes have new uids, and any lane will do. */
  async #laneOf(record: SegmentRecord): Promise<BatcherLane | undefined> {
    const { lanes } = this.#ports;
    for (const lane of lanes) {
      const uid = await lane.uid();
      if (uid !== null && record.key.includes(`/eventing-${uid}-`)) return lane;
    }
    return lanes[0];
  }

  #isOwn(instance: string): boolean {
    return instance === this.#options.instance;
  }

  async #anyLane(holds: (lane: BatcherLane) => Promise<boolean>): Promise<boolean> {
    for (const lane of this.#ports.lanes) if (await holds(lane)) return true;
    return false;
  }
}
