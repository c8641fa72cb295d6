import type { Findings } from './findings.ts';

/** What an audit found. */
export interface Verified {
  readonly findings: Findings;
  /** Objects that agree with their receipt, with their events and bytes according to it. */
  readonly objects: number;
  readonly events: number;
  readonly objectBytes: number;
  /** The same of quarantine objects, whose lines are evidence of what was refused. They are not among the others. */
  readonly quarantineObjects: number;
  readonly quarantineLines: number;
  /** What retries of quarantined events have left; not counted in a range of time. */
  readonly retryMarkers: number;
  /** Objects whose content was read. */
  readonly read: number;
  /** Objects in the bucket whose segment is not committed yet: they have no receipt yet. */
  readonly underWay: number;
  /** Objects older than the oldest receipt that is kept: the audit cannot judge them. */
  readonly beforeReceipts: number;
  /** Receipts are kept since this Unix time in milliseconds. Null: all of them are kept. */
  readonly keptSinceMs: number | null;
  /** Receipts of objects that were stored in other places, by place: they are not judged. */
  readonly elsewhere: Readonly<Record<string, number>>;
  /** Other buckets that receipts name and that were looked at too, with their objects that agree. */
  readonly otherBuckets: Readonly<Record<string, number>>;
  /** Why buckets that receipts name were not looked at, by place. */
  readonly unreadable: Readonly<Record<string, string>>;
  /** Objects here whose receipts name another place: copies, or PUTs without an answer before `bucket` was changed. */
  readonly copies: number;
  /** Receipts of earlier releases, which do not name a place, whose objects are not here. */
  readonly placeUnknown: number;
  /** Manifests of the sink, which contain no events. */
  readonly manifests: number;
  /** Objects of other sinks, of this sink with an earlier Redis, and of other programs. */
  readonly ofOthers: number;
  /** Events that were accepted and are not in the bucket yet, with those that are in spool files only. */
  readonly backlogEvents: number;
  readonly spilledEvents: number;
}
