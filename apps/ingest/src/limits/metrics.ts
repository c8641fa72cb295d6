import { Gauge, type Registry } from '@sink/runtime';
import type { LimitName } from './producer-limits.ts';
import type { LimitedProducer, ShareOf } from './rate-limits.ts';

const LABELS = ['producer', 'limit'] as const;

/** The labels are bounded: names of the configuration, and the three limits. */
export function registerLimitMetrics(
  registry: Registry,
  limits: { readonly shares: () => Iterable<ShareOf> },
  producers: () => Iterable<LimitedProducer>,
): void {
  const registers = [registry];
  const limit: Gauge<(typeof LABELS)[number]> = new Gauge({
    name: 'sink_ingest_producer_limit',
    help: 'What a producer may send to all ingest processes together, by limit. Only with `producers[].limits`.',
    labelNames: LABELS,
    // Workers have one limit, not a sum.
    aggregator: 'max',
    registers,
    collect: () => {
      limit.reset();
      for (const { name: producer, limits: given } of producers()) {
        const by: Record<LimitName, number | null> = {
          events_per_second: given.eventsPerSecond,
          bytes_per_second: given.bytesPerSecond,
          requests_in_flight: given.requestsInFlight,
        };
        for (const [name, value] of Object.entries(by)) if (value !== null) limit.set({ producer, limit: name }, value);
      }
    },
  });
  const share: Gauge<(typeof LABELS)[number]> = new Gauge({
    name: 'sink_ingest_producer_limit_share',
    help: 'The part of a limit of a producer that this ingest may use now: over all ingests about the limit. Only while the producer sends.',
    labelNames: LABELS,
    registers,
    collect: () => {
      share.reset();
      for (const one of limits.shares()) share.set({ producer: one.producer, limit: one.limit }, one.share);
    },
  });
  const demand: Gauge<(typeof LABELS)[number]> = new Gauge({
    name: 'sink_ingest_producer_limit_demand',
    help: 'What this ingest wants of a limit of a producer, at most all of it: what the producer asks for, and more while requests are refused. Only while the producer sends.',
    labelNames: LABELS,
    registers,
    collect: () => {
      demand.reset();
      for (const one of limits.shares()) demand.set({ producer: one.producer, limit: one.limit }, one.wanted);
    },
  });
}
