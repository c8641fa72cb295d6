import type { ProxyDirection, S3Effect } from '@sink/testing';
import type { ServiceKind, Way } from '../harness/pipeline.ts';
import { Random } from '../random.ts';

/** A fault and its victim. Services have their names of the pipeline: `batcher-2`. */
export type Fault =
  /**
   * SIGKILL, SIGSTOP (beyond a batcher's lease, so that it wakes as a zombie) or SIGTERM; then a restart, or SIGCONT.
   */
  | { readonly kind: 'kill' | 'pause' | 'terminate'; readonly service: string }
  /** The wall clock of one service jumps, and later jumps back. */
  | { readonly kind: 'clock'; readonly service: string; readonly offsetMs: number }
  | { readonly kind: 'redis_kill' | 'redis_pause' }
  /**
   * The Redis of all services hangs repeatedly for so long, and works only briefly between, as on a swapping
   * machine.
   */
  | { readonly kind: 'redis_slow'; readonly stallMs: number }
  | { readonly kind: 'cut' | 'refuse'; readonly service: string; readonly way: Way }
  | {
      readonly kind: 'blackhole';
      readonly service: string;
      readonly way: Way;
      readonly direction: ProxyDirection | 'both';
    }
  | { readonly kind: 'delay'; readonly service: string; readonly way: Way; readonly delayMs: number }
  /** Hits this share of the requests to S3. */
  | { readonly kind: 's3'; readonly effect: S3Effect; readonly share: number }
  | { readonly kind: 'no_bucket' }
  | { readonly kind: 'disk_full' };

export interface PlannedFault {
  readonly atMs: number;
  readonly forMs: number;
  readonly fault: Fault;
}

export const REPLICAS = 2;
/** The mean time between the beginnings of two faults. Faults overlap. */
const EVERY_MS = 600;
const HOUR_MS = 3_600_000;
/**
 * How long a fault may last beyond its time: a service stops within 10 s (`stop_grace`), Redis starts within seconds.
 */
const TURN_MAX_MS = 15_000;
/**
 * Runs of at least this time have pauses of uploaders beyond the lock of an upload; shorter runs have no time for them.
 */
const LONG_RUN_MS = 180_000;
/** One such pause in so many rounds of all kinds, beginning with the first round. */
const LONG_PAUSE_EVERY = 3;
const WAYS: Readonly<Record<ServiceKind, readonly Way[]>> = {
  ingest: ['producers', 'redis'],
  batcher: ['redis'],
  uploader: ['redis', 's3'],
};
const KINDS = ['ingest', 'batcher', 'uploader'] as const;

const S3_EFFECTS: readonly S3Effect[] = [
  { kind: 'error', status: 500, code: 'InternalError' },
  { kind: 'error', status: 500, code: 'InternalError', applied: true },
  { kind: 'error', status: 503, code: 'SlowDown' },
  { kind: 'reset' },
  { kind: 'reset', applied: true },
  { kind: 'hang' },
  { kind: 'hang', applied: true },
  { kind: 'slow', delayMs: 1_000 },
  { kind: 'wrong_etag' },
  { kind: 'damage' },
];
const DENIED: S3Effect = { kind: 'error', status: 403, code: 'AccessDenied' };

type Draw = (random: Random) => Omit<PlannedFault, 'atMs'>;

/**
 * The faults of a run. The seed decides the kind, the time, the victim and the duration of each. Every kind occurs once
 * before any occurs again, so that a short run has them all. Faults that need an operator (403, no bucket), which
 * uploads retry slowly, are in the first half only.
 */
export function planFaults(seed: number, durationMs: number): PlannedFault[] {
  const random = new Random(seed);
  const plan: PlannedFault[] = [];
  let deck: Draw[] = [];
  let rounds = 0;
  for (let atMs = EVERY_MS; atMs < durationMs; atMs += EVERY_MS * (0.5 + random.next())) {
    if (deck.length === 0) {
      const withLongPause = durationMs >= LONG_RUN_MS && rounds % LONG_PAUSE_EVERY === 0;
      const more = [...(atMs < durationMs / 2 ? OPERATOR_DRAWS : []), ...(withLongPause ? [LONG_PAUSE] : [])];
      deck = shuffled([...DRAWS, ...more], random);
      rounds += 1;
    }
    const draw = deck.pop();
    if (!draw) continue;
    const { forMs, fault } = draw(random);
    plan.push({ atMs: Math.round(atMs), forMs: Math.round(Math.min(forMs, durationMs - atMs)), fault });
  }
  return plan;
}

/** The name under which a fault is counted. */
export function nameOf(fault: Fault): string {
  return fault.kind === 's3' ? `s3 ${fault.effect.kind}` : fault.kind;
}

/**
 * The faults that must have struck at least once, by name: those whose victim no earlier fault can still hold. Others
 * may be skipped, depending on how long a process takes to stop or to start.
 */
export function certainFaults(plan: readonly PlannedFault[]): Set<string> {
  const freeAtMs = new Map<string, number>();
  const certain = new Set<string>();
  for (const { atMs, forMs, fault } of plan) {
    const victim = exclusiveVictim(fault);
    if (victim === null || (freeAtMs.get(victim) ?? 0) <= atMs) certain.add(nameOf(fault));
    if (victim !== null) freeAtMs.set(victim, Math.max(freeAtMs.get(victim) ?? 0, atMs + forMs + TURN_MAX_MS));
  }
  return certain;
}

/** The victim, which only one fault holds at a time. */
function exclusiveVictim(fault: Fault): string | null {
  switch (fault.kind) {
    case 'kill':
    case 'pause':
    case 'terminate':
      return fault.service;
    case 'redis_kill':
    case 'redis_pause':
    case 'redis_slow':
      return 'redis';
    case 'disk_full':
      return 'disk';
    default:
      return null;
  }
}

export function describeFault({ atMs, forMs, fault }: PlannedFault): string {
  return `${(atMs / 1000).toFixed(1).padStart(7)} s for ${(forMs / 1000).toFixed(1)} s: ${JSON.stringify(fault)}`;
}

const DRAWS: readonly Draw[] = [
  ...KINDS.flatMap((kind): Draw[] => [
    (random) => ({ forMs: between(random, 50, 2_000), fault: { kind: 'kill', service: one(random, kind) } }),
    // Longer than the lease of a batcher, which is 2 s here.
    (random) => ({ forMs: between(random, 3_000, 6_000), fault: { kind: 'pause', service: one(random, kind) } }),
    (random) => ({ forMs: between(random, 50, 1_000), fault: { kind: 'terminate', service: one(random, kind) } }),
    (random) => ({
      forMs: between(random, 1_000, 6_000),
      fault: { kind: 'clock', service: one(random, kind), offsetMs: Math.round(between(random, -2, 2) * HOUR_MS) },
    }),
    ...WAYS[kind].flatMap((way): Draw[] => [
      (random) => ({ forMs: 0, fault: { kind: 'cut', service: one(random, kind), way } }),
      (random) => ({ forMs: between(random, 200, 2_000), fault: { kind: 'refuse', service: one(random, kind), way } }),
      (random) => ({
        forMs: between(random, 500, 6_000),
        fault: {
          kind: 'blackhole',
          service: one(random, kind),
          way,
          direction: random.pick(['requests', 'answers', 'both'] as const) ?? 'both',
        },
      }),
      (random) => ({
        forMs: between(random, 500, 4_000),
        fault: { kind: 'delay', service: one(random, kind), way, delayMs: Math.round(between(random, 5, 400)) },
      }),
    ]),
  ]),
  ...[1, 2].flatMap((): Draw[] => [
    (random) => ({ forMs: between(random, 100, 2_000), fault: { kind: 'redis_kill' } }),
    (random) => ({ forMs: between(random, 300, 5_000), fault: { kind: 'redis_pause' } }),
    (random) => ({
      forMs: between(random, 1_000, 5_000),
      fault: { kind: 'redis_slow', stallMs: Math.round(between(random, 20, 300)) },
    }),
    (random) => ({ forMs: between(random, 1_000, 4_000), fault: { kind: 'disk_full' } }),
  ]),
  ...S3_EFFECTS.map((effect): Draw => (random) => ({
    forMs: between(random, 500, 5_000),
    fault: { kind: 's3', effect, share: between(random, 0.2, 1) },
  })),
];

/** Longer than the lock of an upload job (15 s) and the check after which another uploader takes it over (7.5 s). */
const LONG_PAUSE: Draw = (random) => ({
  forMs: between(random, 25_000, 30_000),
  fault: { kind: 'pause', service: one(random, 'uploader') },
});

const OPERATOR_DRAWS: readonly Draw[] = [
  (random) => ({ forMs: between(random, 500, 2_000), fault: { kind: 's3', effect: DENIED, share: 1 } }),
  (random) => ({ forMs: between(random, 500, 2_000), fault: { kind: 'no_bucket' } }),
];

function one(random: Random, kind: ServiceKind): string {
  return `${kind}-${1 + random.below(REPLICAS)}`;
}

function between(random: Random, low: number, high: number): number {
  return low + random.next() * (high - low);
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const rest = [...items];
  return items.flatMap(() => rest.splice(random.below(rest.length), 1));
}
