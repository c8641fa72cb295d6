import type { RedisTarget } from '@sink/config';

/**
 * What happens to acknowledged events when another server becomes the master:
 *
 * - `none`: there is no other server.
 * - `safe`: nothing is lost.
 * - `planned_safe`: a planned failover loses nothing; when the master fails, what its replica lacks is lost.
 * - `lossy`: a planned failover loses some, too.
 */
export type FailoverWorth = 'none' | 'safe' | 'planned_safe' | 'lossy';

export interface Topology {
  readonly kind: RedisTarget['kind'];
  readonly failover: FailoverWorth;
  /** What the operator should know of it. */
  readonly warnings: readonly string[];
}

/**
 * What a 2xx is worth in this topology (docs/redis.md, "Replicas and failovers").
 * @param following how many replicas follow the master that has the fewest
 * @param wanted how many the configuration waits for
 */
export function topologyOf(kind: RedisTarget['kind'], following: number, wanted: number): Topology {
  const missing =
    following < wanted
      ? [`replicas is ${wanted}, but only ${following} are connected: no event is acknowledged until they are`]
      : [];
  switch (kind) {
    case 'sentinel': {
      if (wanted === 0) {
        const warning =
          'replicas is 0: a failover by Sentinel loses acknowledged events, also a planned one without any lag; use two replicas and set replicas: 1';
        return { kind, failover: 'lossy', warnings: [warning] };
      }
      const none =
        following === wanted
          ? [`replicas is ${wanted}, and no more follow: while one is away, no event is acknowledged; add a replica`]
          : [];
      return { kind, failover: 'safe', warnings: [...missing, ...none] };
    }
    case 'cluster': {
      if (wanted > 0) return { kind, failover: 'safe', warnings: missing };
      const warning =
        'replicas is 0: when a master of the Cluster fails, what its replica lacks is lost; set replicas: 1';
      return { kind, failover: 'planned_safe', warnings: following > 0 ? [warning] : [] };
    }
    case 'single':
    case 'socket': {
      if (following === 0) return { kind, failover: 'none', warnings: missing };
      const warning = `${following === 1 ? 'a replica follows' : `${following} replicas follow`} this Redis: if one becomes the master, acknowledged events can be lost, because the sink does not learn of it; with Sentinel, set redis.sentinels and replicas: 1`;
      return { kind, failover: 'lossy', warnings: [...missing, warning] };
    }
  }
}
