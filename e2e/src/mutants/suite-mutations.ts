import type { Mutation } from './mutation.ts';

/** Rules outside of Redis left out. The named test of the shipped suite must fail then, and for this reason only. */
export interface SuiteMutation extends Mutation {
  readonly project: string;
  readonly file: string;
  readonly fails: RegExp;
}

const DURABLE = { project: 'libs/spool', file: 'src/durable.test.ts', fails: /× invariant 8: .*final name/ };

/** In `ChunkBuilder.add`: what belongs together is added as if it came from as many requests. */
export const EACH_PART_ALONE = `
if (parts.length > 1) {
  const each = settleTogether(parts.length, settle);
  for (const part of parts) {
    this.#closeLast();
    this.add([part], each, times, isGone, span);
  }
  return;
}`;

export const SUITE_MUTATIONS: readonly SuiteMutation[] = [
  {
    name: 'a segment file gets its final name without an fsync of its bytes',
    edits: [{ rule: 'spool.bytes-synced', to: '' }],
    ...DURABLE,
  },
  {
    name: 'the final name of a segment file is not fsynced',
    edits: [{ rule: 'spool.name-synced', to: '' }],
    ...DURABLE,
  },
  {
    name: 'a segment file gets its final name before it is whole',
    edits: [
      { rule: 'spool.named-last', to: '' },
      { rule: 'spool.bytes-synced', before: 'await files.rename(openPath, sealedPath);' },
    ],
    ...DURABLE,
  },
  {
    name: 'a step begins although a later write of it is forbidden',
    edits: [{ rule: 'step.permitted', to: "return '';" }],
    project: 'libs/lane',
    file: 'src/permissions.test.ts',
    fails: /× .*a step is refused whole, .* without xack/,
  },
  {
    name: 'append begins although a later write of it is forbidden',
    edits: [{ rule: 'append.permitted', to: '' }],
    project: 'libs/lane',
    file: 'src/permissions.test.ts',
    fails: /× .*a step is refused whole, .* without hset/,
  },
  {
    name: 'a chunk is stored before the one with the earlier events of its request',
    edits: [{ rule: 'request.in-order', to: 'const index = this.#full.length - 1;' }],
    project: 'apps/ingest',
    file: 'src/commit/request-order.test.ts',
    fails: /× .*a chunk waits until the one with the earlier events of its request is stored/,
  },
  {
    name: 'append stores the first of its entries only',
    edits: [{ rule: 'append.every-entry', to: 'for at = ${FIRST}, ${FIRST}, ${SIZE} do' }],
    project: 'libs/lane',
    file: 'src/append-several.test.ts',
    fails: /× .*is one chunk for each/,
  },
  {
    name: 'an event that is twice in one append is stored twice',
    edits: [{ rule: 'dedupe.within-append', to: '' }],
    project: 'libs/lane',
    file: 'src/append-several.test.ts',
    fails: /× .*the same event twice in one append is stored once/,
  },
  {
    name: 'each part of a request gets an append of its own',
    edits: [{ rule: 'request.one-append', before: EACH_PART_ALONE }],
    project: 'apps/ingest',
    file: 'src/commit/several-destinations.test.ts',
    fails: /× .*a request that fits one append is in one/,
  },
  {
    name: 'evidence is stored although another lane has refused events of its request',
    edits: [{ rule: 'request.asked-first', to: '' }],
    project: 'apps/ingest',
    file: 'src/commit/appender.test.ts',
    fails: /× .*stores none of those if the others ended/,
  },
  {
    name: 'a file goes on with chunks that are older than its last one',
    edits: [{ rule: 'segment.in-order', to: '' }],
    project: 'apps/batcher',
    file: 'src/lane/order.test.ts',
    fails: /× .*after a takeover: the file is closed before older chunks come/,
  },
  {
    name: 'a write counts that only the other replica has when one was promoted',
    edits: [{ rule: 'barrier.in-sync', to: '' }],
    project: 'libs/redis',
    file: 'src/failover/in-sync.test.ts',
    fails: /× .*once one replica was promoted, no write counts that only the other one has/,
  },
  {
    name: 'a replica that was promoted counts as one that is away',
    edits: [{ rule: 'barrier.successor', to: 'const successor = undefined;' }],
    project: 'libs/redis',
    file: 'src/failover/in-sync.test.ts',
    fails: /× .*a new connection to the old master finds out before its first write counts/,
  },
  {
    name: 'two masters give one id to two chunks',
    edits: [{ rule: 'append.own-id', to: "local id = redis.call('XADD', chunks, '*', unpack(fields))" }],
    project: 'libs/lane',
    file: 'src/two-masters.test.ts',
    fails: /× .*two masters never give one id to two chunks/,
  },
  {
    name: 'a segment is spilled before its seal is durable',
    edits: [{ rule: 'spill.barrier', to: '' }],
    project: 'apps/batcher',
    file: 'src/spool/spiller.test.ts',
    fails: /× .*a segment is neither marked nor released while its seal is not as durable as configured/,
  },
  {
    name: 'a segment is spilled although a failover has lost its seal',
    edits: [{ rule: 'spill.still-sealed', to: '' }],
    project: 'apps/batcher',
    file: 'src/spool/spiller.test.ts',
    fails: /× .*a segment whose seal was lost by a failover before the barrier/,
  },
  {
    name: 'a writer appends before its registration is durable',
    edits: [{ rule: 'writer.registered', to: '' }],
    project: 'apps/ingest',
    file: 'src/commit/lane-writer.test.ts',
    fails: /× .*a writer whose registration no replica has confirmed/,
  },
  {
    name: 'a writer gets the id of one whose registration a failover lost',
    edits: [{ rule: 'writer.unique-id', to: '' }],
    project: 'libs/lane',
    file: 'src/open.test.ts',
    fails: /× an id is not given again after a failover has lost its registration/,
  },
  {
    name: 'a late copy of an append that a replica stored when it took over is stored again',
    edits: [{ rule: 'writer.forgotten', to: '' }],
    project: 'apps/ingest',
    file: 'src/commit/lane-writer.test.ts',
    fails: /× .*is in doubt if a replica that takes over knows it/,
  },
  {
    name: 'a manifest is written before its list is durable',
    edits: [{ rule: 'manifest.barrier', to: '' }],
    project: 'apps/uploader',
    file: 'src/manifests/manifests.test.ts',
    fails: /× .*invariant 4: durability that is not reached; nothing is put/,
  },
  {
    name: 'a manifest is written although a failover has lost its list',
    edits: [{ rule: 'manifest.still-drawn', to: '' }],
    project: 'apps/uploader',
    file: 'src/manifests/manifests.test.ts',
    fails: /× .*a list that a failover has lost/,
  },
  {
    name: 'a spilled file is removed on the word of a master that was replaced',
    edits: [{ rule: 'janitor.barrier', to: '' }],
    project: 'apps/batcher',
    file: 'src/spool/spiller.test.ts',
    fails: /× .*whose chunks are in Redis without a record is removed/,
  },
  {
    name: 'a record names the compression of the configuration, and not that of its file',
    edits: [{ rule: 'segment.own-format', to: 'const format = this.#settings;' }],
    project: 'apps/batcher',
    file: 'src/lane/live-settings.test.ts',
    fails: /× .*a file keeps the compression with which it was opened/,
  },
  {
    name: 'a chunk of a route that the batcher does not know is acknowledged',
    edits: [
      {
        rule: 'batcher.known-route',
        to: 'if (rules === undefined) return this.#ports.lane.acknowledge(chunk.id);',
      },
    ],
    project: 'apps/batcher',
    file: 'src/lane/destinations.test.ts',
    fails: /× its chunks wait as they are/,
  },
  {
    name: 'default traffic is sealed in a version that an older release does not read',
    edits: [{ rule: 'segment.version-1', to: 'const isVersion1 = false as boolean;' }],
    project: 'apps/batcher',
    file: 'src/lane/destinations.test.ts',
    fails: /× quarantine has objects of its own/,
  },
  {
    name: 'a segment is committed with an object in the bucket from which it was redirected',
    edits: [{ rule: 'commit.own-bucket', to: '' }],
    project: 'libs/lane',
    file: 'src/redirect.test.ts',
    fails: /× an object in the earlier bucket does not commit/,
  },
  {
    name: 'a segment is spilled with the bucket from which it was redirected meanwhile',
    edits: [{ rule: 'release.own-bucket', to: '' }],
    project: 'libs/lane',
    file: 'src/redirect.test.ts',
    fails: /× a release that read the record before a redirect changes nothing/,
  },
  {
    name: 'an object goes into the configured bucket, whatever its record says',
    edits: [{ rule: 'upload.own-bucket', to: 'const isOwn = true as boolean;' }],
    project: 'apps/uploader',
    file: 'src/upload/routed.test.ts',
    fails: /× goes into its own bucket/,
  },
  {
    name: 'uploads in parts of other programs are aborted too',
    edits: [{ rule: 'abandoned.ours', to: 'isOurs: () => true,' }],
    project: 'apps/uploader',
    file: 'src/upload/parts.test.ts',
    fails: /× an upload that ended in the middle/,
  },
  {
    name: 'a flush takes the place of another one',
    edits: [{ rule: 'flush.one', to: '' }],
    project: 'libs/lane',
    file: 'src/flush/flush.test.ts',
    fails: /× there is one at a time/,
  },
  {
    name: 'a batcher does not follow a flush',
    edits: [{ rule: 'flush.closes', to: '' }],
    project: 'apps/batcher',
    file: 'src/lane/flush.test.ts',
    fails: /× of one path only that path is closed/,
  },
];
