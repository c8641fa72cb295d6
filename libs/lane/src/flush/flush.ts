import { LaneView } from '../lane-view.ts';
import { RedisFailure, RedisRefused, type RedisPort } from '../port.ts';
import { askFlush, endFlush, type FlushRequest } from '../steps/flush.ts';
import { LaneRest, type MissingInLane } from './lane-rest.ts';

/** How often a flush looks whether everything is in the bucket. */
const LOOK_EVERY_MS = 200;
/** A request of an asker that waits lasts so long without being renewed: it may have been killed. */
const RENEWED_FOR_MS = 15_000;

export interface FlushCall {
  /** Only this path; null: everything. */
  readonly path: string | null;
  /** Whether to wait until it is done; otherwise until it is asked for. */
  readonly waits: boolean;
  readonly timeoutMs: number;
}

export interface FlushPorts {
  readonly redis: RedisPort;
  readonly sinkName: string;
  /** The numbers of all lanes. */
  readonly lanes: readonly number[];
  /** A new one. */
  readonly id: string;
  readonly clock: {
    wallMs(): number;
    monotonicMs(): number;
    sleep(ms: number, signal?: AbortSignal): Promise<void>;
  };
  /** Nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

export type FlushAnswer =
  | { readonly kind: 'flushed' | 'noted' | 'stopped' }
  /** Another flush is under way. */
  | { readonly kind: 'busy'; readonly other: FlushRequest }
  /** The deadline is over. */
  | { readonly kind: 'late'; readonly missing: readonly MissingInLane[]; readonly problem: string | null };

/**
 * Has all batchers close what holds events that were accepted before this call, and waits until these events are in the
 * bucket. One at a time.
 * @throws RedisFailure if it could not be asked for
 */
export async function flush(ports: FlushPorts, call: FlushCall): Promise<FlushAnswer> {
  const { redis, sinkName, id, clock } = ports;
  const rests = await begin(ports, call.path);
  const request: FlushRequest = {
    id,
    upTo: Object.fromEntries(rests.flatMap(({ lane, upTo }) => (upTo === null ? [] : [[lane.number, upTo]]))),
    path: call.path,
    waits: call.waits,
    untilMs: clock.wallMs() + call.timeoutMs,
  };
  const ttlMs = call.waits ? Math.min(RENEWED_FOR_MS, call.timeoutMs) : call.timeoutMs;
  const other = await askFlush(redis, sinkName, request, ttlMs);
  if (other !== null) {
    // A request that no one waits for stays after it is done.
    const isOver = !other.request.waits && (await isDone(restsOf(ports, other.request)));
    const again = isOver ? await askFlush(redis, sinkName, request, ttlMs, other.text) : other;
    if (again !== null) return { kind: 'busy', other: again.request };
  }
  if (!call.waits) return { kind: 'noted' };
  try {
    return await settled(ports, call, request, rests);
  } finally {
    // What is left of the request expires.
    await endFlush(redis, sinkName, id).catch(() => undefined);
  }
}

/** What every lane has now. */
function begin({ redis, sinkName, lanes }: FlushPorts, path: string | null): Promise<LaneRest[]> {
  return Promise.all(
    lanes.map(async (number) => {
      const lane = new LaneView(redis, sinkName, number);
      return new LaneRest(lane, await lastAppended(lane), path);
    }),
  );
}

function restsOf({ redis, sinkName }: FlushPorts, { upTo, path }: FlushRequest): LaneRest[] {
  return Object.entries(upTo).map(([lane, id]) => new LaneRest(new LaneView(redis, sinkName, Number(lane)), id, path));
}

/** Null: the lane was never used. */
async function lastAppended(lane: LaneView): Promise<string | null> {
  try {
    return await lane.lastAppended();
  } catch (error) {
    if (error instanceof RedisRefused && error.message.includes('no such key')) return null;
    throw error;
  }
}

async function isDone(rests: readonly LaneRest[]): Promise<boolean> {
  for (const rest of rests) if (!(await rest.isDone())) return false;
  return true;
}

async function settled(
  { redis, sinkName, clock, signal }: FlushPorts,
  { timeoutMs }: FlushCall,
  request: FlushRequest,
  rests: readonly LaneRest[],
): Promise<FlushAnswer> {
  const deadlineMs = clock.monotonicMs() + timeoutMs;
  while (!signal.aborted) {
    let problem: string | null = null;
    try {
      await askFlush(redis, sinkName, request, RENEWED_FOR_MS);
      if (await isDone(rests)) return { kind: 'flushed' };
    } catch (error) {
      // Redis may be back before the deadline.
      if (!(error instanceof RedisFailure)) throw error;
      problem = error.message;
    }
    const leftMs = deadlineMs - clock.monotonicMs();
    if (leftMs <= 0) return { kind: 'late', ...(await missingOf(rests, problem)) };
    await clock.sleep(Math.min(LOOK_EVERY_MS, leftMs), signal);
  }
  return { kind: 'stopped' };
}

async function missingOf(
  rests: readonly LaneRest[],
  problem: string | null,
): Promise<{ missing: readonly MissingInLane[]; problem: string | null }> {
  try {
    const missing: MissingInLane[] = [];
    for (const rest of rests) if (!(await rest.isDone())) missing.push(await rest.missing());
    return { missing, problem };
  } catch (error) {
    if (!(error instanceof RedisFailure)) throw error;
    return { missing: [], problem: problem ?? error.message };
  }
}

/** What is missing, as sentences without a full stop. */
export function missingText({
  missing,
  problem,
}: {
  missing: readonly MissingInLane[];
  problem: string | null;
}): string[] {
  const lanes = missing.map(({ lane, unsealedEvents, sealedEvents, spilledSegments, andMore }) => {
    const parts = [
      ...(unsealedEvents > 0 ? [`${unsealedEvents} events are in no sealed segment yet`] : []),
      ...(sealedEvents > 0 ? [`${sealedEvents} events are in segments that wait for their upload`] : []),
      ...(spilledSegments > 0 ? [`${spilledSegments} spilled segments wait for their upload`] : []),
      ...(andMore ? ['and there are more'] : []),
    ];
    return `lane ${lane}: ${parts.join(', ')}`;
  });
  return [...lanes, ...(problem === null ? [] : [`Redis: ${problem}`])];
}
