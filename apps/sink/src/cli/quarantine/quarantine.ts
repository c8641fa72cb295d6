import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import type { TimeRange } from '@sink/audit';
import type { SinkConfig } from '@sink/config';
import { evidenceBytes, isEvidenceId, type RetryState } from '@sink/domain';
import { IoredisPort } from '@sink/lane';
import { createObjectReader, createObjectStore, ObjectStoreError } from '@sink/objects';
import { EXIT_FAILED, EXIT_OK, systemClock } from '@sink/runtime';
import { connectTool, toolConnected } from '../attached-redis.ts';
import { EvidenceInBucket, type FoundEvidence } from './evidence-in-bucket.ts';
import { retryEvidence } from './retry.ts';
import { whyInvalid } from './retry-validation.ts';
import { RetryMarkers } from './retry-markers.ts';

export type QuarantineCommand =
  | {
      readonly action: 'list';
      readonly range: TimeRange;
      readonly producer: string | null;
      readonly reason: string | null;
      readonly json: boolean;
    }
  | { readonly action: 'show'; readonly id: string; readonly body: boolean }
  | {
      readonly action: 'retry';
      readonly id: string;
      /** A path, or `-` for standard input; null: as it was sent. */
      readonly file: string | null;
      readonly again: boolean;
    };

/** The bucket or Redis cannot be used, so that nothing is known. */
const EXIT_UNKNOWN = 2;
const DURABILITY_TIMEOUT_MS = 1_000;

type Write = (text: string | Buffer) => void;

/** Lists, shows and retries what is in quarantine. Resolves to the exit code: 0, 1 for a refusal, 2 if nothing is known. */
export async function runQuarantine(
  config: SinkConfig,
  command: QuarantineCommand,
  write: Write,
  signal: AbortSignal,
): Promise<number> {
  const { bucket, quarantinePrefix, ifNoneMatch, checksum } = config;
  const reader = createObjectReader(bucket);
  const store = createObjectStore(bucket, { ifNoneMatch, checksum, prefix: quarantinePrefix });
  const evidence = new EvidenceInBucket(reader, quarantinePrefix, signal);
  const markers = new RetryMarkers(reader, store, quarantinePrefix, signal);
  try {
    if (command.action === 'list') return await list(evidence, markers, command, write);
    const { id } = command;
    const found = isEvidenceId(id) ? await evidence.find(id) : null;
    if (found === null) {
      write(
        `${id}: nothing with this id is below ${quarantinePrefix}; what was refused a moment ago is not there yet\n`,
      );
      return EXIT_FAILED;
    }
    if (command.action === 'show') {
      write(command.body ? evidenceBytes(found.evidence) : `${JSON.stringify(found.evidence, null, 2)}\n`);
      return EXIT_OK;
    }
    return await retry(config, found, markers, command, write);
  } catch (error) {
    const remedy = error instanceof ObjectStoreError && error.remedy !== undefined ? `\n  remedy: ${error.remedy}` : '';
    write(`FAILED: ${error instanceof Error ? error.message : String(error)}${remedy}\n`);
    return EXIT_UNKNOWN;
  } finally {
    reader.close();
    store.close();
  }
}

async function list(
  evidence: EvidenceInBucket,
  markers: RetryMarkers,
  { range, producer, reason, json }: Extract<QuarantineCommand, { action: 'list' }>,
  write: Write,
): Promise<number> {
  const states = await statesFrom(markers, range);
  let shown = 0;
  await evidence.each(range, ({ evidence: one, key }) => {
    if ((producer !== null && one.producer !== producer) || (reason !== null && one.reason !== reason)) return;
    shown += 1;
    const retried = states.get(one.id) ?? null;
    if (json) {
      const { id, time, producer, reason, why, method, path, index, bytes } = one;
      write(
        `${JSON.stringify({ id, time, producer, reason, why, method, path, index, bytes, key, retry: retried })}\n`,
      );
    } else {
      const place = one.index === null ? '' : `, element ${one.index}`;
      const from = one.producer === null ? '' : ` from ${one.producer}`;
      write(`${one.id}  ${one.time}${from}${retried === null ? '' : `  [retry ${retried}]`}\n`);
      write(`  ${one.reason}: ${one.why}${place}, ${one.bytes} bytes\n`);
    }
  });
  if (!json) write(`${shown} refused events\n`);
  return EXIT_OK;
}

/** How far the retries of events of this range have come, by id: `stored` if any has ended. */
async function statesFrom(markers: RetryMarkers, { fromMs = 0 }: TimeRange): Promise<ReadonlyMap<string, RetryState>> {
  const states = new Map<string, RetryState>();
  for await (const { id, state } of markers.from(fromMs)) {
    if (state === 'stored' || !states.has(id)) states.set(id, state);
  }
  return states;
}

async function retry(
  config: SinkConfig,
  { evidence }: FoundEvidence,
  markers: RetryMarkers,
  { file, again }: Extract<QuarantineCommand, { action: 'retry' }>,
  write: Write,
): Promise<number> {
  if (config.redis?.target.kind === 'sentinel' && config.replicas > 0) {
    const instead = 'send it to ingest instead: `quarantine show ID --body` prints it';
    write(
      `${evidence.id}: not stored: a retry cannot tell which replicas behind the Sentinels are in sync; ${instead}\n`,
    );
    return EXIT_FAILED;
  }
  const corrected = file === null ? null : file === '-' ? await buffer(process.stdin) : await readFile(file);
  const client = connectTool(config);
  try {
    const { features, backlogBytesMax } = await toolConnected(client, config);
    const barrier = {
      waitaof: config.durability === 'fsync' && features.waitaof,
      replicas: config.replicas,
      timeoutMs: DURABILITY_TIMEOUT_MS,
    };
    const ports = {
      markers,
      config,
      barrier,
      redis: new IoredisPort(client),
      backlogBytesMax: Math.floor(backlogBytesMax / config.lanes),
      newUid: () => randomBytes(8).toString('hex'),
      nowMs: () => systemClock.wallMs(),
      validate: (lines: readonly string[]) => whyInvalid(lines, config),
    };
    const { ok, text } = await retryEvidence(evidence, { corrected, again }, ports);
    write(`${text}\n`);
    return ok ? EXIT_OK : EXIT_FAILED;
  } finally {
    client.disconnect();
  }
}
