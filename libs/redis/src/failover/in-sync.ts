import type { InSync, WaitedFor } from '@sink/lane';
import type { NoWord, Peers, SentinelsWord } from './peers.ts';
import { type MasterState, parseReplication } from './replication.ts';
import { type Standing, standingOf } from './standing.ts';

/** How long a replica that answers, but lags or says nothing about itself, holds writes up before it counts no more. */
const BEHIND_MS_MAX = 10_000;
/** The same for one that does not answer. By then the Sentinels have named it, if it was promoted. */
const SILENT_MS_MAX = 2_500;

export interface InSyncPorts {
  readonly peers: Peers;
  readonly monotonicMs: () => number;
  /** Closes the connection, and opens one to the master that the Sentinels name by then. */
  readonly reconnect: () => void;
  /** The number of replicas in sync changed: some joined, or `dropped` count no more. */
  readonly changed: (count: number, dropped: readonly string[]) => void;
  /** No Sentinel answers, and without one no write counts now. */
  readonly noSentinel: () => void;
  /** A replica became a master beside that of the connection. */
  readonly failover: (address: string) => void;
}

/**
 * The replicas of one connection's master that are in sync, which is: each of them has every write that was acknowledged.
 * A failover to one of them loses nothing, so a write counts only when all of them have it (docs/adr/0015).
 *
 * A replica joins when it has a write. It leaves only when it was asked and
 * cannot be reached, is never promoted, or lagged for long. One that was promoted is a successor: then nothing that goes over this
 * connection counts any more. Each new connection begins anew, by asking the Sentinels for all replicas.
 */
export class InSyncReplicas implements InSync {
  readonly #ports: InSyncPorts;
  /** Null: a new connection, which may lead to a master that has been replaced. */
  #members: Set<string> | null = null;
  #exact = false;
  #connections = 0;
  readonly #behindSinceMs = new Map<string, number>();

  constructor(ports: InSyncPorts) {
    this.#ports = ports;
  }

  get count(): number {
    return this.#members?.size ?? 0;
  }

  /** Not all that follow are in sync, so their number does not say which ones have a write. */
  get exact(): boolean {
    return this.#exact;
  }

  /** The connection was closed. */
  closed(): void {
    this.#connections += 1;
    this.#members = null;
    this.#exact = false;
    this.#behindSinceMs.clear();
  }

  async allHave({ acknowledgedBy, before, after }: WaitedFor): Promise<boolean> {
    const master = parseReplication(after);
    if (master.role !== 'master') return false;
    // What the master had written after the write was answered: whoever is that far has the write.
    const { offset } = before === null ? master : parseReplication(before);
    const { followers } = master;
    const all = acknowledgedBy >= followers.length;
    const having = followers.filter((follower) => all || follower.offset >= offset).map(({ address }) => address);
    for (const address of having) this.#behindSinceMs.delete(address);
    this.#exact = !all;
    if (this.#members !== null && [...this.#members].every((member) => having.includes(member))) {
      if (having.length > this.#members.size) this.#become(having);
      return true;
    }
    return this.#askOthers(master, offset, having);
  }

  async #askOthers(master: MasterState, offset: number, having: readonly string[]): Promise<boolean> {
    const { peers, reconnect, failover, noSentinel } = this.#ports;
    const connection = this.#connections;
    const word = await peers.askSentinels();
    if (word === null && this.#members === null) {
      noSentinel();
      return false;
    }
    const known = new Set([
      ...(this.#members ?? []),
      ...master.followers.map(({ address }) => address),
      ...(word?.replicas ?? []),
    ]);
    const missing = [...known].filter((address) => !having.includes(address));
    const standings = await Promise.all(
      missing.map(async (address) => [address, await this.#standing(address, { master, offset, word })] as const),
    );
    if (connection !== this.#connections) return false;

    const successor = standings.find(([, standing]) => standing === 'successor'); // rule: barrier.successor
    if (successor !== undefined) {
      failover(successor[0]);
      reconnect();
      return false;
    }
    // Without the Sentinels' word, one that cannot be reached may be the master.
    const away = standings.some(([, standing]) => standing === 'gone' || standing === 'silent');
    if (away && word === null) {
      noSentinel();
      return false;
    }
    const has = (address: string): boolean =>
      having.includes(address) || standings.some(([one, standing]) => one === address && standing === 'has_it');
    const late = standings
      .filter(([address, standing]) => this.#holdsUp(address, standing))
      .map(([address]) => address);
    this.#become([...[...known].filter(has), ...late]);
    return late.length === 0;
  }

  async #standing(
    address: string,
    write: { master: MasterState; offset: number; word: SentinelsWord | null },
  ): Promise<Standing | NoWord> {
    const other = await this.#ports.peers.ask(address);
    if (typeof other !== 'string') return standingOf(other, write.master, write.offset);
    // The Sentinels may reach one that this process cannot reach.
    return write.word?.master === address ? 'successor' : other;
  }

  /** Whether writes wait for a replica that lacks them: it was in sync, and not long ago. */
  #holdsUp(address: string, standing: Standing | NoWord): boolean {
    const maxMs = { behind: BEHIND_MS_MAX, apart: BEHIND_MS_MAX, denied: BEHIND_MS_MAX, silent: SILENT_MS_MAX };
    if (!(standing in maxMs)) return false;
    // On a new connection, all others count as if they had been in sync.
    if (this.#members === null ? standing === 'apart' : !this.#members.has(address)) return false;
    const nowMs = this.#ports.monotonicMs();
    const sinceMs = this.#behindSinceMs.get(address) ?? nowMs;
    this.#behindSinceMs.set(address, sinceMs);
    return nowMs - sinceMs < maxMs[standing as keyof typeof maxMs];
  }

  #become(addresses: readonly string[]): void {
    const before = this.#members;
    const members = new Set(addresses);
    this.#members = members;
    const dropped = [...(before ?? [])].filter((member) => !members.has(member));
    if (before === null || dropped.length > 0 || members.size !== before.size)
      this.#ports.changed(members.size, dropped);
  }
}
