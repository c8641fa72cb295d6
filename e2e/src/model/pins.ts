import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { MUTATIONS, type ProtocolMutation } from './mutations.ts';
import { runModel } from './run-model.ts';

/** Seeds that a mutation may survive. */
export const SEEDS_MAX = 1_000;
/** A mutation that shows within so many seeds is not pinned: the search from seed 1 is quick enough. */
const UNPINNED_SEEDS = 20;
const FILE = join(import.meta.dirname, 'pins.json');

/**
 * The seed with which the search for a world that shows a mutation begins. It is the mutation's pin, a seed that showed it
 * when pins were made; or 1, without a pin or when `MODEL_PINS=off` asks for the whole search, which is for the night.
 *
 * Each change of the model moves the schedules, and a pin may then show nothing: the search continues from there and takes
 * longer. `npm run model -- --pin` finds new seeds for all mutations and writes them to pins.json.
 */
export function firstSeed(mutation: ProtocolMutation): number {
  return process.env['MODEL_PINS'] === 'off' ? 1 : (readPins()[mutation.name] ?? 1);
}

export function readPins(): Record<string, number> {
  return JSON.parse(readFileSync(FILE, 'utf8')) as Record<string, number>;
}

/**
 * Searches from seed 1 for a world that shows each mutation whose name matches, in as many processes as there are
 * processors, prints its seed, and pins it if it is a high one. Returns whether all mutations were shown.
 */
export async function pin(name: RegExp): Promise<boolean> {
  const mutations = MUTATIONS.filter((mutation) => name.test(mutation.name));
  const pins = new Map(Object.entries(readPins()));
  const waiting = [...mutations];
  let allShown = true;
  const searchNext = async (): Promise<void> => {
    for (let mutation = waiting.shift(); mutation; mutation = waiting.shift()) {
      const seed = await search(mutation);
      console.log(`${seed === null ? 'NOT SHOWN' : `seed ${seed}`}: ${mutation.name}`);
      allShown &&= seed !== null;
      if (seed !== null && seed > UNPINNED_SEEDS) pins.set(mutation.name, seed);
      else pins.delete(mutation.name);
      writePins(pins);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, searchNext));
  return allShown;
}

/** Writes them in the order of the mutations, and none of a mutation that is gone. */
function writePins(pins: ReadonlyMap<string, number>): void {
  const inOrder = MUTATIONS.flatMap((mutation) => {
    const seed = pins.get(mutation.name);
    return seed === undefined ? [] : [[mutation.name, seed] as const];
  });
  writeFileSync(FILE, `${JSON.stringify(Object.fromEntries(inOrder), null, 2)}\n`);
}

/** A seed that shows the mutation, also in a world of its own; null: there is none up to the limit. */
async function search(mutation: ProtocolMutation): Promise<number | null> {
  for (let from = 1; from <= SEEDS_MAX;) {
    const { shownBy } = await runModel({ from, seeds: SEEDS_MAX - from + 1, until: mutation.shows, mutation });
    if (shownBy === null) return null;
    const again = await runModel({ from: shownBy, seeds: 1, until: mutation.shows, mutation });
    if (again.shownBy === shownBy) return shownBy;
    from = shownBy + 1;
  }
  return null;
}
