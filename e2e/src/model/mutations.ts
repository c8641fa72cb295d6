import type { Mutation } from '../mutants/mutant.ts';

/** A rule of the protocol left out; the model must notice within 1,000 seeds (`SEEDS_MAX` in mutations.test.ts). */
export interface ProtocolMutation extends Mutation {
  /** How it shows: a broken promise or something that is never finished, not an accident of the edit. */
  readonly shows: RegExp;
  /** The seed to begin with, where it shows in a few worlds only; default 1. */
  readonly from?: number;
}

const APPEND = 'libs/lane/src/scripts/append.ts';
const DEDUPE = 'libs/lane/src/scripts/dedupe.ts';
const SEAL = 'libs/lane/src/scripts/seal.ts';
const COMMIT = 'libs/lane/src/scripts/commit.ts';
const SLICES = 'libs/lane/src/scripts/slices.ts';
const RELEASE = 'libs/lane/src/scripts/release.ts';
const CLAIM = 'libs/lane/src/scripts/claim.ts';
const KEY = 'libs/domain/src/object-key.ts';
const WRITER = 'apps/ingest/src/commit/lane-writer.ts';
const BATCHER = 'apps/batcher/src/lane-batcher.ts';
const INHERITANCE = 'apps/batcher/src/inheritance.ts';
const UPLOAD = 'apps/uploader/src/upload-segment.ts';
const MANIFEST = 'libs/lane/src/scripts/manifest.ts';
const MANIFEST_KEY = 'libs/domain/src/manifest.ts';
const MANIFESTS = 'apps/uploader/src/manifests.ts';
const SPILLER = 'apps/batcher/src/spiller.ts';
const JANITOR = 'apps/batcher/src/janitor.ts';
const WORLD = 'e2e/src/model/world.ts';

const OPEN_SPILLED = 'const object = await ports.spool.open(record);';
const UNFINISHED = /leak|LOST/;
const NO_SCRUB = { file: INHERITANCE, from: 'nowMs - this.#lastScrubMs >= this.#options.scrubEveryMs', to: 'false' };
const NO_FORGOTTEN_PENDING = { file: WORLD, from: 'if (random.chance(0.004)) await this.#forgetPending();', to: '' };

export const MUTATIONS: readonly ProtocolMutation[] = [
  {
    name: 'append stores a repeated sequence again',
    edits: [{ file: APPEND, from: 'if seq == last then', to: 'if seq == last and false then' }],
    shows: /DOUBLED/,
  },
  {
    name: 'append stores an older sequence',
    edits: [{ file: APPEND, from: "if seq < last then return 'stale' end", to: '' }],
    shows: /DOUBLED/,
  },
  {
    name: 'a writer sends a chunk in doubt under the next sequence',
    edits: [
      {
        file: WRITER,
        from: 'if (!numbered) this.#sequence += 1;',
        to: 'if (!numbered || this.#inDoubt) this.#sequence += 1;',
      },
    ],
    shows: /DOUBLED/,
  },
  {
    name: 'a writer that was forgotten sends a chunk in doubt under another id',
    edits: [{ file: WRITER, from: "if (this.outcomeNow === 'in_doubt') return 'in_doubt';", to: '' }],
    shows: /DOUBLED/,
  },
  {
    name: 'a chunk in doubt is acknowledged',
    edits: [
      {
        file: WRITER,
        from: "return this.#inDoubt ? 'in_doubt' : this.#heldBy;",
        to: "return this.#inDoubt ? 'stored' : this.#heldBy;",
      },
      {
        file: WRITER,
        from: "if (this.outcomeNow === 'in_doubt') return 'in_doubt';",
        to: "if (this.#inDoubt) return 'stored';",
      },
    ],
    shows: /LOST/,
  },
  {
    name: 'what was stored is not remembered',
    edits: [{ file: DEDUPE, from: "redis.call('SADD', KEYS[6 + newest], unpack(", to: "redis.call('EXISTS', unpack(" }],
    shows: /DOUBLED/,
  },
  {
    name: 'one writer of two looks for duplicates',
    edits: [
      {
        file: WRITER,
        from: 'if (dedupe === null) return null;',
        to: "if (dedupe === null || this.#writer?.endsWith('1')) return null;",
      },
    ],
    shows: /DOUBLED/,
  },
  {
    name: 'the rest of a chunk with duplicates is cut at the wrong places',
    edits: [{ file: DEDUPE, from: 'at = at + bytes[i]', to: 'if not duplicate[i] then at = at + bytes[i] end' }],
    shows: /DOUBLED|LOST/,
  },
  {
    name: 'seal reads a missing counter as zero',
    edits: [
      {
        file: SEAL,
        from: 'local state = states[i]',
        to: "local state = states[i] or ('0/' .. to)",
      },
    ],
    shows: /DOUBLED|leak|crash/,
    from: 140,
  },
  {
    name: 'seal does not look where a chunk was taken up to',
    edits: [{ file: SEAL, from: 'counters.at ~= from or ', to: '' }],
    shows: /DOUBLED|invariant 1|damaged/,
  },
  {
    name: 'seal takes another record under the same id for the same',
    edits: [
      { file: SEAL, from: "if stored ~= json then return {'refused'} end", to: '' },
      {
        file: BATCHER,
        from: 'const segmentId = newSegmentId();',
        to: 'const segmentId = newSegmentId() && `s-${chunk.id}`;',
      },
    ],
    shows: /DOUBLED|LOST|leak/,
  },
  {
    name: 'seal leaves wholly taken chunks in the pending list',
    edits: [{ file: SEAL, from: "redis.call('XACK', chunks, group, ...)", to: "redis.call('EXISTS', chunks)" }],
    shows: /pending although wholly sealed/,
  },
  {
    name: 'commit removes a chunk of which events are left',
    edits: [{ file: SLICES, from: 'if rest[i] == 0 then', to: 'if true then' }],
    shows: /LOST|crash|leak/,
  },
  {
    name: 'commit keeps the record, so that it counts down twice',
    edits: [{ file: COMMIT, from: "redis.call('HDEL', home, segment)", to: "redis.call('EXISTS', home)" }],
    shows: UNFINISHED,
  },
  {
    name: 'the commit comes before the PUT',
    edits: [
      {
        file: UPLOAD,
        from: 'const { etag, existed } = await ports.store.put(',
        to: "await ports.lane.commit({ v: RECEIPT_VERSION, id: record.id, key: '', etag: '', count: 0, bytes: 0, objectBytes: 0, sha256: '', acceptedAtMs: 0, sealedAtMs: 0, storedAtMs: 0 }, 10);\n    const { etag, existed } = await ports.store.put(",
      },
    ],
    shows: /LOST/,
  },
  {
    name: 'a segment is released whose file is not marked',
    edits: [{ file: SPILLER, from: 'if (!(await folders.mark(instance, segmentId))) return false;', to: '' }],
    shows: /LOST|crash/,
  },
  {
    name: 'release keeps the record beside the spilled one',
    edits: [{ file: RELEASE, from: "redis.call('HDEL', records, segment)", to: "redis.call('EXISTS', records)" }],
    shows: /crash|leak/,
  },
  {
    name: 'a spilled file loses its mark before its object stands',
    edits: [{ file: UPLOAD, from: OPEN_SPILLED, to: `${OPEN_SPILLED}\n  await ports.spool.unmark(record);` }],
    shows: /LOST|crash/,
    from: 440,
  },
  {
    name: 'a spilled file is removed before its object stands',
    edits: [{ file: UPLOAD, from: OPEN_SPILLED, to: `${OPEN_SPILLED}\n  await ports.spool.remove(record);` }],
    shows: /LOST|crash/,
  },
  {
    name: 'nobody settles a marked file whose segment was committed elsewhere',
    edits: [{ file: JANITOR, from: "return spoolId === null ? 'kept'", to: "return spoolId !== '' ? 'kept'" }],
    shows: /leak: files/,
  },
  {
    name: 'a key says neither offset nor content',
    edits: [
      { file: KEY, from: '-${chunkId}-${offset}-${object.sha256.slice(0, KEY_HASH_DIGITS)}`', to: '-${chunkId}`' },
    ],
    shows: /key with two contents|LOST/,
  },
  {
    name: 'a manifest is drawn up in the place of one that is not written yet',
    edits: [{ file: MANIFEST, from: 'if drawn then return drawn end', to: '' }],
    shows: /UNLISTED/,
  },
  {
    name: 'a manifest is done before it stands in the bucket',
    edits: [
      {
        file: MANIFESTS,
        from: 'assertReached(await lane',
        to: 'await manifests.listed(drawn);\n    assertReached(await lane',
      },
    ],
    shows: /UNLISTED/,
  },
  {
    name: "a manifest's key does not say its content",
    edits: [
      { file: MANIFEST_KEY, from: '-${sha256.slice(0, KEY_HASH_DIGITS)}.json`', to: '-${KEY_HASH_DIGITS}.json`' },
    ],
    shows: /key with two contents/,
  },
  {
    name: 'a claim removes a consumer that still has chunks pending',
    edits: [
      {
        file: CLAIM,
        from: "if #redis.call('XPENDING', chunks, group, '-', '+', 1, dead) > 0 then return {'more', #pending} end",
        to: '',
      },
      { file: CLAIM, from: "'-', '+', page, dead)", to: "'-', '+', 1, dead)" },
      NO_SCRUB,
      NO_FORGOTTEN_PENDING,
    ],
    shows: UNFINISHED,
  },
  {
    name: "nothing puts chunks back that are in nobody's pending list",
    edits: [NO_SCRUB],
    shows: UNFINISHED,
  },
  {
    name: 'lost reads are never read again',
    edits: [
      {
        file: BATCHER,
        from: 'this.#auditDue = true;\n      await clock.sleep',
        to: 'await clock.sleep',
      },
      {
        file: BATCHER,
        from: 'if (clock.monotonicMs() - this.#lastAuditMs >= this.#options.auditEveryMs) this.#auditDue = true;',
        to: '',
      },
      NO_SCRUB,
      NO_FORGOTTEN_PENDING,
    ],
    shows: UNFINISHED,
  },
  {
    name: 'recovery reads chunks from their beginning',
    edits: [{ file: BATCHER, from: '{ chunk, line: taken, byte }', to: '{ chunk, line: 0 * byte, byte: 0 }' }],
    shows: UNFINISHED,
  },
  {
    name: 'after a refused seal what is open is kept',
    edits: [{ file: BATCHER, from: 'this.#held.clear();', to: '' }],
    shows: UNFINISHED,
  },
];
