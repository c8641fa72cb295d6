import { type Destination, destinationOf, listOf, partitionSpan, type Routes } from '@sink/domain';
import type { UploaderLane } from '@sink/lane';
import type { UploaderSettings } from '../settings.ts';

export interface WaitingObjects {
  readonly destination: Destination;
  readonly objects: number;
}

type CompletenessSettings = Pick<UploaderSettings, 'routes' | 'manifestGraceMs' | 'manifestAfterMs'>;

/** What was found in a lane at one time. */
interface Facts {
  readonly nowMs: number;
  /** Every chunk that was appended before this has left the stream. */
  readonly goneUntilMs: number;
  /** Slots of time that end before this have nothing spilled either. */
  readonly slotsUntilMs: number;
  /** The destinations, as lists, of spilled segments. */
  readonly spilled: ReadonlySet<string>;
}

/**
 * Decides which destinations of a lane are complete, by what Redis has: nothing of them is in the stream, sealed or spilled.
 * What it does not see leads to a further manifest, and to nothing worse.
 */
export class Completeness {
  readonly #settings: CompletenessSettings;
  /** By lane: chunks up to this one are gone, or of routes that this process does not know. */
  readonly #passed = new Map<number, string>();
  /** By lane and list: how many objects waited, and when the last one came, by Redis' clock. */
  #lastObjects = new Map<string, { readonly objects: number; readonly atMs: number }>();

  constructor(settings: CompletenessSettings) {
    this.#settings = settings;
  }

  /** Those that are complete. */
  async of(lane: UploaderLane, waiting: readonly WaitingObjects[]): Promise<ReadonlySet<WaitingObjects>> {
    const facts = await this.#look(lane);
    const complete = new Set<WaitingObjects>();
    const still: WaitingObjects[] = [];
    const known = new Set(waiting.map(({ destination }) => nameIn(lane, destination)));
    for (const name of this.#lastObjects.keys()) {
      if (name.startsWith(`${lane.number} `) && !known.has(name)) this.#lastObjects.delete(name);
    }
    for (const one of waiting) {
      const endMs = endMsOf(one.destination, this.#settings.routes);
      if (endMs !== null ? endMs <= facts.slotsUntilMs : await this.#isStill(lane, one, facts)) {
        (endMs === null ? still : []).push(one);
        complete.add(one);
      }
    }
    if (still.length === 0) return complete;
    const sealed = await destinationsOfRecords(lane);
    for (const one of still) if (sealed.has(listOf(one.destination))) complete.delete(one);
    return complete;
  }

  async #look(lane: UploaderLane): Promise<Facts> {
    const { routes, manifestGraceMs } = this.#settings;
    // In this order: a chunk leaves the stream before it counts as spilled. Chunks leave the stream in no order, but every
    // chunk that was appended before the oldest remaining one has left it. One of an unknown route waits for a deployment.
    const after = this.#passed.get(lane.number);
    const { appendedMs, nowMs, passed } = await lane.oldestChunk((route) => routes.has(route), after);
    this.#passed.set(lane.number, passed);
    const goneUntilMs = Math.min(appendedMs ?? nowMs, nowMs);
    let slotsUntilMs = goneUntilMs - manifestGraceMs;
    const lists = new Set<string>();
    for await (const page of lane.spilled()) {
      for (const destination of page.map(destinationOf)) {
        slotsUntilMs = Math.min(slotsUntilMs, (endMsOf(destination, routes) ?? Infinity) - 1);
        lists.add(listOf(destination));
      }
    }
    return { nowMs, goneUntilMs, slotsUntilMs, spilled: lists };
  }

  /** Nothing was committed for it for `manifest_after`, and all that was appended before its last object has left the stream. */
  async #isStill(lane: UploaderLane, { destination, objects }: WaitingObjects, facts: Facts): Promise<boolean> {
    const name = nameIn(lane, destination);
    const last = this.#lastObjects.get(name);
    // After a restart the objects say it.
    const atMs = last?.objects === objects ? last.atMs : last ? facts.nowMs : await lane.lastStoredMs(destination);
    this.#lastObjects.set(name, { objects, atMs });
    const isQuiet = atMs + this.#settings.manifestAfterMs <= facts.nowMs;
    return isQuiet && atMs <= facts.goneUntilMs && !facts.spilled.has(listOf(destination));
  }
}

function nameIn(lane: UploaderLane, destination: Destination): string {
  return `${lane.number} ${listOf(destination)}`;
}

async function destinationsOfRecords(lane: UploaderLane): Promise<ReadonlySet<string>> {
  const lists = new Set<string>();
  for await (const ids of lane.records()) {
    for (const id of ids) {
      const record = await lane.record(id);
      if (record !== null) lists.add(listOf(destinationOf(record)));
    }
  }
  return lists;
}

/** When nothing more is accepted for a destination; null: no time ends it. */
function endMsOf({ route, path }: Destination, routes: Routes): number | null {
  const { endsWithSlot = true, slotSpan = partitionSpan } = routes.get(route) ?? {};
  return endsWithSlot ? (slotSpan(path)?.endMs ?? null) : null;
}
