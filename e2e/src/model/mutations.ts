import type { Edit, Mutation } from '../mutants/mutation.ts';
import { EACH_PART_ALONE } from '../mutants/suite-mutations.ts';

/** Rules of the protocol left out; the model must notice within 1,000 seeds (`SEEDS_MAX` in pins.ts). */
export interface ProtocolMutation extends Mutation {
  /** How it shows: as a broken promise or as work that is never finished, and not as an accident of the edit. */
  readonly shows: RegExp;
}

const UNFINISHED = /leak|LOST/;
const NO_SCRUB: Edit = { rule: 'scrub.periodic', to: '' };
const NO_FORGOTTEN_PENDING: Edit = { rule: 'world.forget-pending', to: '' };

export const MUTATIONS: readonly ProtocolMutation[] = [
  {
    name: 'append stores a repeated sequence again',
    edits: [{ rule: 'append.same-sequence', to: 'if false then' }],
    shows: /DOUBLED/,
  },
  {
    name: 'append stores an older sequence',
    edits: [{ rule: 'append.older-sequence', to: '' }],
    shows: /DOUBLED/,
  },
  {
    name: 'a writer sends a chunk in doubt under the next sequence',
    edits: [{ rule: 'writer.same-sequence', to: '' }],
    shows: /DOUBLED/,
  },
  {
    name: 'a writer that was forgotten sends a chunk in doubt under another id',
    edits: [{ rule: 'writer.no-other-id', to: '' }],
    shows: /DOUBLED/,
  },
  {
    name: 'a chunk in doubt is acknowledged',
    edits: [{ rule: 'writer.doubt', to: "return 'stored';" }],
    shows: /LOST/,
  },
  {
    name: 'a chunk is acknowledged before its append is durable',
    edits: [{ rule: 'writer.barrier', to: '' }],
    shows: /LOST/,
  },
  {
    name: 'what was stored is not remembered',
    edits: [{ rule: 'dedupe.remember', to: '' }],
    shows: /DOUBLED/,
  },
  {
    name: 'only one writer of two looks for duplicates',
    edits: [{ rule: 'dedupe.every-writer', before: "if (this.#writer?.includes('.1.')) return undefined;" }],
    shows: /DOUBLED/,
  },
  {
    name: 'the rest of a chunk with duplicates is cut at the wrong places',
    edits: [{ rule: 'dedupe.cut', to: '' }],
    shows: /DOUBLED|LOST/,
  },
  {
    name: 'half of an append is acknowledged',
    edits: [{ rule: 'append.every-entry', to: 'for at = ${FIRST}, (${FIRST} + last) / 2, ${SIZE} do' }],
    shows: /LOST/,
  },
  {
    name: 'each part of a request gets an append of its own',
    edits: [{ rule: 'request.one-append', before: EACH_PART_ALONE }],
    shows: /HALF of a request/,
  },
  {
    name: 'evidence is looked up among events',
    edits: [{ rule: 'dedupe.asked', to: '' }],
    shows: /LOST/,
  },
  {
    name: 'an event that is twice in one append is stored twice',
    edits: [{ rule: 'dedupe.within-append', to: '' }],
    shows: /DOUBLED/,
  },
  {
    name: 'seal reads a missing counter as zero',
    edits: [{ rule: 'seal.uncounted', to: 'or {at = 0, count = slice[3]}' }],
    shows: /DOUBLED|leak|crash/,
  },
  {
    name: 'seal does not compare where a chunk was taken up to',
    edits: [{ rule: 'seal.from', to: '' }],
    shows: /DOUBLED|invariant 1|damaged/,
  },
  {
    name: 'seal takes another record under the same id for the same',
    edits: [
      { rule: 'seal.same-record', to: '' },
      { rule: 'segment.new-id', to: 'const segmentId = `s-${chunk.id}`;' },
    ],
    shows: /DOUBLED|LOST|leak/,
  },
  {
    name: 'seal leaves wholly taken chunks in the pending list',
    edits: [{ rule: 'seal.acknowledge', to: '' }],
    shows: /pending although wholly sealed/,
  },
  {
    name: 'an upload is queued before its seal is durable',
    edits: [{ rule: 'seal.barrier', to: ';' }],
    shows: /DOUBLED/,
  },
  {
    name: 'the sweep queues uploads whose seals are not durable',
    edits: [{ rule: 'sweep.barrier', to: '' }],
    shows: /DOUBLED/,
  },
  {
    name: 'a barrier writes nothing of its own',
    edits: [{ rule: 'barrier.write', to: '' }],
    shows: /DOUBLED|LISTED TWICE/,
  },
  {
    name: 'commit removes a chunk of which events are left',
    edits: [{ rule: 'commit.nothing-left', to: 'if true then' }],
    shows: /LOST|crash|leak/,
  },
  {
    name: 'commit keeps the record, so that it counts down twice',
    edits: [{ rule: 'commit.record', to: '' }],
    shows: UNFINISHED,
  },
  {
    name: 'the commit comes before the PUT',
    edits: [
      {
        rule: 'upload.stored-first',
        to: "put.catch(() => undefined); const { etag, existed } = { etag: '', existed: false };",
      },
    ],
    shows: /LOST/,
  },
  {
    name: 'a segment is released whose file is not marked',
    edits: [{ rule: 'spill.marked', to: '' }],
    shows: /LOST|crash/,
  },
  {
    name: 'release keeps the record beside the spilled one',
    edits: [{ rule: 'release.record', to: '' }],
    shows: /crash|leak/,
  },
  {
    name: 'a spilled file loses its mark before its object is stored',
    edits: [{ rule: 'spill.keeps-file', after: 'await ports.spool.unmark(record);' }],
    shows: /LOST|crash/,
  },
  {
    name: 'a spilled file is removed before its object is stored',
    edits: [{ rule: 'spill.keeps-file', after: 'await ports.spool.remove(record);' }],
    shows: /LOST|crash/,
  },
  {
    name: 'a marked file whose segment was committed elsewhere is never settled',
    edits: [{ rule: 'spill.settled', to: "return 'kept';" }],
    shows: /leak: files/,
  },
  {
    name: 'a key contains neither offset nor content hash',
    edits: [{ rule: 'key.content', to: '' }],
    shows: /key with two contents|LOST/,
  },
  {
    name: 'a manifest is drawn up while another one is being written',
    edits: [{ rule: 'manifest.one-at-a-time', to: '' }],
    shows: /UNLISTED/,
  },
  {
    name: 'a manifest is finished before it is stored',
    edits: [{ rule: 'manifest.stored-first', to: 'put.catch(() => undefined); const existed = false;' }],
    shows: /UNLISTED/,
  },
  {
    name: 'a manifest is written although a failover has lost its list',
    edits: [{ rule: 'manifest.still-drawn', to: '' }],
    shows: /LISTED TWICE/,
  },
  {
    name: "a manifest's key does not contain its content hash",
    edits: [{ rule: 'manifest.key-content', to: '' }],
    shows: /key with two contents/,
  },
  {
    name: 'a claim removes a consumer that still has chunks pending',
    edits: [
      { rule: 'claim.nothing-pending', to: '' },
      { rule: 'claim.all-pending', after: 'break' },
      NO_SCRUB,
      NO_FORGOTTEN_PENDING,
    ],
    shows: UNFINISHED,
  },
  {
    name: 'chunks that are in no pending list are never put back',
    edits: [NO_SCRUB],
    shows: UNFINISHED,
  },
  {
    name: 'lost reads are never read again',
    edits: [{ rule: 'audit.after-doubt', to: '' }, { rule: 'audit.periodic', to: '' }, NO_SCRUB, NO_FORGOTTEN_PENDING],
    shows: UNFINISHED,
  },
  {
    name: 'recovery reads chunks from their beginning',
    edits: [{ rule: 'batcher.from-taken', before: 'taken = 0;' }],
    shows: UNFINISHED,
  },
  {
    name: 'after a refused seal the batcher keeps what is open',
    edits: [{ rule: 'batcher.discard', to: '' }],
    shows: UNFINISHED,
  },
  {
    name: 'a batcher whose folder another one removed ends, and does not start again',
    edits: [{ rule: 'supervisor.folder-gone', to: '' }],
    shows: /crash: .*spool|crash: .*segment file/,
  },
  {
    name: 'housekeeping never tidies the spool',
    edits: [{ rule: 'housekeeping.tidies', to: '' }],
    shows: /leak: files/,
  },
  {
    name: 'housekeeping never retires writers',
    edits: [{ rule: 'housekeeping.retires-writers', to: 'const page = { cursor };' }],
    shows: /leak: writers/,
  },
  {
    name: 'a segment file that may be the only copy was never fsynced',
    edits: [{ rule: 'spool.bytes-synced', to: '' }],
    shows: /LOST|spilled segment/,
  },
  {
    name: 'the mark of a spilled file is not fsynced',
    edits: [{ rule: 'spool.state-synced', to: '' }],
    shows: /LOST|spilled segment/,
  },
  {
    name: 'a damaged file is taken for a sound one',
    edits: [{ rule: 'spool.verified', to: '' }],
    shows: /LOST|spilled segment/,
  },
  {
    name: 'a batcher adds chunks that are older than the last one in its file',
    edits: [{ rule: 'segment.in-order', to: '' }],
    shows: /OUT OF ORDER/,
  },
];
