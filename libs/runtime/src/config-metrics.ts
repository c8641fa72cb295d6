import type { ConfigInForce } from '@sink/config';
import { Counter, Gauge, type Registry } from 'prom-client';

/** What of the file is in force. All processes of a service say the same, so the greatest counts, not the sum. */
export function registerConfigMetrics(
  registry: Registry,
  inForce: Pick<ConfigInForce, 'pendingRestart' | 'rejected' | 'counts'>,
): void {
  const registers = [registry];
  const aggregator = 'max';
  const pending: Gauge = new Gauge({
    name: 'sink_config_pending_restart',
    help: 'Always 1; the label names a key that was changed in the configuration file and waits for a restart.',
    labelNames: ['key'],
    aggregator,
    registers,
    collect: () => {
      pending.reset();
      for (const key of inForce.pendingRestart) pending.set({ key }, 1);
    },
  });
  const rejected: Gauge = new Gauge({
    name: 'sink_config_rejected',
    help: '1 while the configuration file has mistakes and is refused; the configuration in force stays. /readyz lists the mistakes.',
    aggregator,
    registers,
    collect: () => rejected.set(inForce.rejected.length > 0 ? 1 : 0),
  });
  const reloads: Counter = new Counter({
    name: 'sink_config_reloads_total',
    help: 'How often the configuration file was read again, by result.',
    labelNames: ['result'],
    aggregator,
    registers,
    collect: () => {
      reloads.reset();
      for (const [result, count] of Object.entries(inForce.counts)) reloads.inc({ result }, count);
    },
  });
}
