import type { Sent } from '../load/traffic.ts';
import type { BenchContext } from '../scenario.ts';
import type { JointIngests } from './joint-ingests.ts';

/** Runs are short and change by turns, so that other work on the machine affects both alike. */
const TURN_SECONDS = 2;

/** Events per CPU second of a run of each of two ingests, one directly after the other. */
export interface PairOfRuns {
  readonly base: number;
  readonly other: number;
}

/** Measures two of the ingests by turns, each of them first in every second turn. */
export async function pairsOfRuns<Name extends string>(
  ingests: JointIngests<Name>,
  { base, other }: Readonly<Record<keyof PairOfRuns, Name>>,
  traffic: { readonly title: string; readonly sent: Sent },
  { load, settings, say }: BenchContext,
): Promise<PairOfRuns[]> {
  const measure = (name: Name, seconds: number): Promise<number> =>
    ingests.measure(name, load, traffic.sent, { connections: settings.connections, seconds });
  say(`${traffic.title}: warm-up`);
  await measure(base, settings.warmUpSeconds);
  await measure(other, settings.warmUpSeconds);
  const pairs: PairOfRuns[] = [];
  const turns = Math.ceil((settings.runs * settings.seconds) / TURN_SECONDS);
  while (pairs.length < turns) {
    const isBaseFirst = pairs.length % 2 === 0;
    const first = await measure(isBaseFirst ? base : other, TURN_SECONDS);
    const second = await measure(isBaseFirst ? other : base, TURN_SECONDS);
    const pair = isBaseFirst ? { base: first, other: second } : { base: second, other: first };
    pairs.push(pair);
    say(`  turn ${pairs.length} of ${turns}: ${(pair.other / pair.base).toFixed(3)} of the events per CPU second`);
  }
  return pairs;
}
