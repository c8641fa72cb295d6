import { Gauge, type Registry } from '@sink/runtime';
import type { Topology } from './topology.ts';

/** What a 2xx is worth when Redis fails over. */
export function registerFailoverMetrics(
  registry: Registry,
  {
    topology,
    replicasInSync,
  }: { readonly topology: Pick<Topology, 'kind' | 'failover'>; readonly replicasInSync: () => number | null },
): void {
  const info = new Gauge({
    name: 'sink_redis_failover_info',
    help: 'Always 1; `failover` says what a failover loses of what was answered with 2xx, as it was at start: `safe` nothing, `planned_safe` nothing if it is planned, `lossy` some events also if it is planned, `none`: there is no other server.',
    labelNames: ['topology', 'failover'],
    aggregator: 'max',
    registers: [registry],
  });
  info.set({ topology: topology.kind, failover: topology.failover }, 1);
  const inSync: Gauge = new Gauge({
    name: 'sink_redis_replicas_in_sync',
    help: 'Replicas that have every event that was answered with 2xx. Only with Sentinels and `replicas` above 0; -1 before the first event.',
    aggregator: 'min',
    registers: [registry],
    collect: () => inSync.set(replicasInSync() ?? -1),
  });
}
