import { randomBytes } from 'node:crypto';
import { reportDemand, type RedisPort, withdrawDemand } from '@sink/lane';
import { FailureReporter, type ServiceContext } from '@sink/runtime';
import { Exchange, type ExchangeTimes } from './exchange.ts';
import { registerLimitMetrics } from './metrics.ts';
import { type LimitedProducer, RateLimits } from './rate-limits.ts';

/** The limits of producers in this process, shared with all others through Redis. Nothing runs while no producer has one. */
export function openLimits(
  { clock, log, registry, shutdown }: Pick<ServiceContext, 'clock' | 'log' | 'registry' | 'shutdown'>,
  redis: RedisPort,
  settings: ExchangeTimes & { readonly sinkName: string },
  producers: () => Iterable<LimitedProducer>,
): RateLimits {
  const limits = new RateLimits({ nowMs: () => clock.monotonicMs(), random: Math.random });
  registerLimitMetrics(registry, limits, producers);
  const failures = new FailureReporter(
    { log, clock },
    {
      name: 'sharing the limits of producers',
      failing: 'the limits of producers are not shared; each process keeps its last share',
      working: 'the limits of producers are shared again',
    },
  );
  const { sinkName } = settings;
  const exchange = new Exchange(
    limits,
    randomBytes(8).toString('hex'),
    {
      report: (me, report, ttlMs) => reportDemand(redis, sinkName, { me, report, ttlMs }),
      withdraw: (me) => withdrawDemand(redis, sinkName, me),
      failures,
    },
    settings,
  );
  shutdown.add('limits of producers', () => exchange.stop());
  return limits;
}
