/** A host (name, IPv4 or IPv6 without brackets) and a TCP port. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** TLS to Redis. Certificates are PEM text, already read from their files. */
export interface RedisTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly serverName?: string;
  /** False accepts any certificate. */
  readonly verify: boolean;
}

/** Where Redis is, in one of the four ways it can be reached. */
export type RedisTarget =
  | ({ readonly kind: 'single' } & HostPort)
  | { readonly kind: 'socket'; readonly path: string }
  | {
      readonly kind: 'sentinel';
      readonly sentinels: readonly HostPort[];
      /** The name of the monitored master. */
      readonly masterName: string;
      readonly username?: string;
      readonly password?: string;
      readonly tls: boolean;
    }
  | { readonly kind: 'cluster'; readonly nodes: readonly HostPort[] };

/** How to connect to a Redis or Valkey. */
export interface RedisSettings {
  readonly target: RedisTarget;
  readonly username?: string;
  readonly password?: string;
  /** Always 0 in a Cluster. */
  readonly db: number;
  /** Null: plain TCP (or a socket). */
  readonly tls: RedisTls | null;
  /** Address a Cluster or Sentinel announces ("host:port") -> address to connect to. Empty: none. */
  readonly natMap: Readonly<Record<string, HostPort>>;
}
