import type { MasterState, Replication } from './replication.ts';

/**
 * What another server of the same name is to the master that a write went to:
 *
 * - `has_it`: a replica that has everything up to the offset in question.
 * - `behind`: a replica that follows, and does not have it yet.
 * - `apart`: a replica that does not follow: its link is down, or it still follows the master that this one has replaced.
 * - `out`: no successor of this master: the master itself under another name, the one that it has replaced, or a replica
 *   that is never promoted.
 * - `successor`: it was promoted out of this master, or follows such a one. What is written to this master from then on is
 *   lost as soon as Sentinel demotes it.
 */
export type Standing = 'has_it' | 'behind' | 'apart' | 'out' | 'successor';

export function standingOf(other: Replication, master: MasterState, offset: number): Standing {
  if (other.role === 'master') {
    // A master's id is its own; a promoted replica keeps the id of the master that it had.
    return other.id === master.id || other.id === master.formerId ? 'out' : 'successor';
  }
  if (other.priority === 0) return 'out';
  if (other.id === master.id && other.offset >= offset) return 'has_it';
  if (!other.linked || other.id === master.formerId) return 'apart';
  return other.id === master.id ? 'behind' : 'successor';
}
