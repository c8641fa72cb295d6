import type { RedisSettings } from '@sink/config';
import type { InSync } from '@sink/lane';
import { type Clock, type FailureLog, FailureReporter } from '@sink/runtime';
import { type Cluster, Redis } from 'ioredis';
import { InSyncReplicas } from './in-sync.ts';
import { RedisPeers } from './peers.ts';
import { listenToSentinel, type SentinelTarget } from './questions.ts';

export interface FailoverPorts {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly log: FailureLog & { debug(fields: object, message: string): void };
}

/** What the connections of one service do when its Sentinels make another server the master. */
export class Failovers {
  readonly #ports: FailoverPorts;
  readonly #current: () => RedisSettings;
  readonly #target: SentinelTarget;
  readonly #peers: RedisPeers;
  readonly #connections = new Map<Redis, InSyncReplicas>();
  readonly #listeners: Redis[];
  readonly #sentinelsAway: FailureReporter;
  #inSync: number | null = null;

  constructor(current: () => RedisSettings, target: SentinelTarget, ports: FailoverPorts) {
    this.#ports = ports;
    this.#current = current;
    this.#target = target;
    this.#peers = new RedisPeers(current, target);
    this.#sentinelsAway = new FailureReporter(ports, {
      name: 'sentinels',
      failing: 'no Sentinel answers SENTINEL MASTER and SENTINEL REPLICAS, so no write counts until one does',
      working: null,
    });
    this.#listeners = target.sentinels.map((node) => this.#listen(listenToSentinel(current, node)));
  }

  /** How many replicas have every acknowledged write; null: nothing was written yet. */
  get inSyncCount(): number | null {
    return this.#inSync;
  }

  /** From now on the connection follows the master. */
  follow(connection: Redis | Cluster): void {
    if (!(connection instanceof Redis)) return;
    const { clock, log } = this.#ports;
    const replicas = new InSyncReplicas({
      peers: this.#peers,
      monotonicMs: () => clock.monotonicMs(),
      reconnect: () => reconnect(connection),
      changed: (count, dropped) => {
        this.#inSync = count;
        if (dropped.length > 0)
          log.warn({ dropped, count }, 'replicas are not in sync any more; writes go on without them');
      },
      noSentinel: () => this.#sentinelsAway.failed({}),
      failover: (address) =>
        log.warn({ address }, 'a replica became the master; connecting again through the Sentinels'),
    });
    this.#connections.set(connection, replicas);
    connection.on('close', () => replicas.closed());
    connection.on('end', () => this.#connections.delete(connection));
  }

  inSync(connection: Redis | Cluster): InSync | undefined {
    return connection instanceof Redis ? this.#connections.get(connection) : undefined;
  }

  close(): void {
    for (const listener of this.#listeners) listener.disconnect();
  }

  /** Sentinel demotes an old master some ten seconds after it has named the new one. */
  #listen(sentinel: Redis): Redis {
    const { log } = this.#ports;
    sentinel.on('error', (err) => log.debug({ err }, 'sentinel connection'));
    sentinel.on('message', (_channel: string, message: string) => {
      const [name, , , host = '', port = ''] = message.split(' ');
      if (name === this.#target.masterName) this.#moveTo(`${host}:${port}`);
    });
    sentinel.subscribe('+switch-master').catch((err: unknown) => log.debug({ err }, 'sentinel connection'));
    return sentinel;
  }

  #moveTo(announced: string): void {
    const mapped = this.#current().natMap[announced];
    const address = mapped ? `${mapped.host}:${mapped.port}` : announced;
    this.#ports.log.info({ master: address }, 'the Sentinels name another master');
    for (const connection of this.#connections.keys()) {
      if (isOpen(connection)) moveTo(address, connection);
      else connection.once('connect', () => moveTo(address, connection));
    }
  }
}

function moveTo(address: string, connection: Redis): void {
  const { remoteAddress, remotePort } = connection.stream;
  if (`${remoteAddress ?? ''}:${remotePort ?? ''}` !== address) reconnect(connection);
}

/** At once: a master that hangs never answers the end of a connection. ioredis connects again when it is closed. */
function reconnect(connection: Redis): void {
  if (isOpen(connection)) connection.stream.destroy();
}

/** While a connection is being opened, ioredis gives up for good if it is closed. */
function isOpen({ status }: Redis): boolean {
  return status === 'ready' || status === 'connect';
}
