import type { RedisSettings, RedisTarget } from '@sink/config';
import { Redis, type Cluster } from 'ioredis';
import { type ConnectionRole, connectRedis, type ConnectOptions } from '../connect.ts';

/** Opens connections and closes them all again. */
export class Connections {
  readonly errors: Error[] = [];
  readonly #open: (Redis | Cluster)[] = [];

  open(
    settings: RedisSettings,
    role: ConnectionRole = 'commands',
    options: Partial<ConnectOptions> = {},
  ): Redis | Cluster {
    const connection = connectRedis(settings, role, { onError: (error) => this.errors.push(error), ...options });
    this.#open.push(connection);
    return connection;
  }

  /** A connection to one server, ready for commands. */
  async ready(
    target: { readonly host: string; readonly port: number },
    role: ConnectionRole = 'commands',
    options: Partial<ConnectOptions> = {},
  ): Promise<Redis> {
    const connection = this.open(settingsOf({ kind: 'single', host: target.host, port: target.port }), role, options);
    if (!(connection instanceof Redis)) throw new Error('connecting: one server is no Cluster');
    await whenReady(connection);
    return connection;
  }

  close(): void {
    for (const connection of this.#open.splice(0)) connection.disconnect();
    this.errors.length = 0;
  }
}

export function settingsOf(target: RedisTarget, more: Partial<RedisSettings> = {}): RedisSettings {
  return { target, db: 0, tls: null, natMap: {}, ...more };
}

export async function whenReady(connection: Redis | Cluster): Promise<void> {
  if (connection.status === 'ready') return;
  await new Promise<void>((resolve) => connection.once('ready', resolve));
}
