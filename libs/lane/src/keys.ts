import { type Destination, listOf } from '@sink/domain';

/**
 * The keys of one lane. All have one hash tag, so that one node of a Redis Cluster has the whole lane and its scripts may
 * touch all of its keys. The tag begins with the sink's name, so that several sinks can share one Redis.
 */
export interface LaneKeys {
  /** Stream: the chunks, until every event in them is in S3. */
  readonly chunks: string;
  /** Hash, chunk id -> `taken/count`: events taken into sealed segments. */
  readonly taken: string;
  /** Hash, chunk id -> `left cost`: events not yet in S3, and the chunk's share of the backlog's bytes. */
  readonly left: string;
  /** Hash, segment id -> record: sealed, not yet committed. */
  readonly records: string;
  /** Hash, segment id -> spilled record: its chunks are gone, and a spool file is the only copy until it is in S3. */
  readonly spilled: string;
  /** Hash, writer id -> `sequence answer usedAtMs`. */
  readonly writers: string;
  /** Hash: `events` and `bytes` that the lane holds in Redis; `spilledEvents` and `spilledBytes` that are in spool files. */
  readonly backlog: string;
  /** Stream, capped: one receipt an object. */
  readonly receipts: string;
  /** Hash, place -> number: where this lane's objects were stored. Receipts have the number. */
  readonly places: string;
  /** Hash, `listOf` a destination -> objects of it that are in no manifest yet; only with `manifests`. */
  readonly unlisted: string;
  /** Hash: format version, uid, counter of writers. */
  readonly meta: string;
  /** Hash, position in the ring -> when that slot of the dedupe window began; and `early`, slots that went early. */
  readonly seen: string;
  /** String that expires at once: ingest tries whether it can store anything, while appends fail. */
  readonly trial: string;
}

/** The consumer group of a lane's stream. */
export const GROUP = 'batchers';

export function laneKeys(sinkName: string, lane: number): LaneKeys {
  const key = (name: string): string => `{${sinkName}:${lane}}:${name}`;
  return {
    chunks: key('chunks'),
    taken: key('taken'),
    left: key('left'),
    records: key('records'),
    spilled: key('spilled'),
    writers: key('writers'),
    backlog: key('backlog'),
    receipts: key('receipts'),
    places: key('places'),
    unlisted: key('unlisted'),
    meta: key('meta'),
    seen: key('seen'),
    trial: key('trial'),
  };
}

/** Slots of the dedupe window. */
export const SEEN_SLOTS_OF_WINDOW = 4;
/** As many slots can be live at a time: those of the window, the current one, and one that is over in part. */
export const SEEN_SLOTS = SEEN_SLOTS_OF_WINDOW + 2;

/** Sets: the fingerprints of each slot of the dedupe window. */
export function seenSlotKeys(keys: LaneKeys): string[] {
  return Array.from({ length: SEEN_SLOTS }, (_, slot) => `${keys.seen}:${slot + 1}`);
}

/**
 * Hashes, segment id -> receipt, of one destination: `waitingIn` has those that wait for a manifest; `listing` has
 * those that the manifest lists which is being written, and under '' its token.
 */
export function manifestKeys(keys: LaneKeys, destination: Destination): { waitingIn: string; listing: string } {
  const waitingIn = `${keys.unlisted}:${listOf(destination)}`;
  return { waitingIn, listing: `${waitingIn}:listing` };
}

/** String with expiry: a batcher instance is alive. */
export function leaseKey(keys: LaneKeys, consumer: string): string {
  return keys.meta.replace(/meta$/, `lease:${consumer}`);
}

/** The name of the lease that says, on lane 0, that an uploader is alive on a spool directory. */
export function spoolLease(spoolId: string): string {
  return `spool-${spoolId}`;
}

/** Set: the numbers of all lanes that a sink ever used, so that a lane that was removed from the configuration drains. */
export function lanesKey(sinkName: string): string {
  return `{${sinkName}}:lanes`;
}

/** Hash, ingest process -> `when report`: what each process wants of the limits of producers. Expires when none reports. */
export function demandKey(sinkName: string): string {
  return `{${sinkName}}:demand`;
}

/** String with expiry: the request for a flush, `id {json}`, which all batchers follow. */
export function flushKey(sinkName: string): string {
  return `{${sinkName}}:flush`;
}
