import { hash } from 'node:crypto';

/** What a process wants of a limit, under the id of the process. */
export type Wants = ReadonlyMap<string, number>;

/** Every process that wants anything gets this part of its even share at least, so that a few events find no closed door. */
const FLOOR_PART = 1 / 20;

/**
 * Divides a limit among processes: all of it, max-min fair. A process that wants less than its even share gets what it wants,
 * and the others divide the rest evenly. What nobody wants is added in proportion, so that each has the same headroom.
 *
 * A process that wants more because its producer ignores refusals gets no more by it: that is why the shares are not
 * proportional to the demand. Each process computes this from the same reports, and takes its own share.
 */
export function divideRate(limit: number, wants: Wants): Map<string, number> {
  return fill(limit, wants, (limit / Math.max(1, wants.size)) * FLOOR_PART);
}

/**
 * As `divideRate`, in whole requests, which add up to the limit. With fewer requests than processes some processes get none;
 * `turn` is a number that all processes share and that changes now and then: it decides which.
 */
export function divideSlots(limit: number, wants: Wants, turn: number): Map<string, number> {
  const exact = [...fill(limit, wants, 1)];
  const whole = new Map(exact.map(([id, share]) => [id, Math.floor(share)]));
  let left = limit - [...whole.values()].reduce((sum, share) => sum + share, 0);
  const order = exact
    .map(([id, share]) => ({ id, rest: share - Math.floor(share), turn: hash('sha1', `${turn} ${id}`) }))
    .sort((a, b) => (Math.abs(b.rest - a.rest) > 1e-9 ? b.rest - a.rest : a.turn < b.turn ? -1 : 1));
  for (const { id } of order) {
    if (left < 1) break;
    whole.set(id, (whole.get(id) ?? 0) + 1);
    left -= 1;
  }
  return whole;
}

function fill(limit: number, wants: Wants, floor: number): Map<string, number> {
  const ascending = [...wants]
    .map(([id, wanted]) => [id, Math.max(wanted, floor)] as const)
    .sort(([idA, a], [idB, b]) => a - b || (idA < idB ? -1 : 1));
  const shares = new Map<string, number>();
  let left = limit;
  for (const [index, [id, wanted]] of ascending.entries()) {
    const share = Math.min(wanted, left / (ascending.length - index));
    shares.set(id, share);
    left -= share;
  }
  const headroom = limit / (limit - left);
  return new Map([...shares].map(([id, share]) => [id, share * headroom]));
}
