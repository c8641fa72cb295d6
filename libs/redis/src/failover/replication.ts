import { parseInfo } from '../server-settings.ts';

/** A server's own word about its replication: INFO replication. */
export type Replication = MasterState | ReplicaState;

interface Lineage {
  /** The history of writes that the server has. A replica shares its master's; a promoted one begins a new history. */
  readonly id: string;
  /** The history that a promoted replica had before; null: none. */
  readonly formerId: string | null;
  /** How far in its history the server is. */
  readonly offset: number;
}

export interface MasterState extends Lineage {
  readonly role: 'master';
  /** The replicas that follow at the moment, and how far each acknowledged. */
  readonly followers: readonly { readonly address: string; readonly offset: number }[];
}

export interface ReplicaState extends Lineage {
  readonly role: 'replica';
  readonly linked: boolean;
  /** 0: Sentinel never promotes it. */
  readonly priority: number;
}

const NO_ID = /^0*$/;

/** @throws Error for an answer that is not INFO's */
export function parseReplication(text: string): Replication {
  const info = parseInfo(text);
  const role = info.get('role');
  const formerId = info.get('master_replid2') ?? '';
  const lineage = { id: info.get('master_replid') ?? '', formerId: NO_ID.test(formerId) ? null : formerId };
  if (role === 'master') {
    return { ...lineage, role, offset: Number(info.get('master_repl_offset')), followers: followersIn(info) };
  }
  if (role !== 'slave') throw new Error(`reading the state of replication: unknown role ${role ?? '(none)'}`);
  return {
    ...lineage,
    role: 'replica',
    offset: Number(info.get('slave_repl_offset')),
    linked: info.get('master_link_status') === 'up',
    priority: Number(info.get('slave_priority') ?? 100),
  };
}

function followersIn(info: ReadonlyMap<string, string>): MasterState['followers'] {
  const followers: { address: string; offset: number }[] = [];
  for (const [name, value] of info) {
    if (!/^slave\d+$/.test(name)) continue;
    const fields = new Map(value.split(',').map((field) => field.split('=', 2) as [string, string]));
    if (fields.get('state') !== 'online') continue;
    const address = `${fields.get('ip') ?? ''}:${fields.get('port') ?? ''}`;
    followers.push({ address, offset: Number(fields.get('offset')) });
  }
  return followers;
}
