import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseReceipt, parseRecord } from '@sink/domain';
import { laneKeys } from '@sink/lane';
import { Redis } from 'ioredis';
import type { Pipeline } from './pipeline.ts';

type NameOf = (event: Readonly<Record<string, unknown>>) => string;

/** Where lost events were last seen, as far as Redis, the spool and the receipts show now. */
export interface LastSeen {
  of(name: string, acknowledgedAtMs: number): string;
}

/** @param keys the keys of the objects in the bucket */
export async function lastSeen(sink: Pipeline, keys: ReadonlySet<string>, nameOf: NameOf): Promise<LastSeen> {
  const places = new Map<string, string[]>();
  const note = (event: Readonly<Record<string, unknown>>, place: string): void => {
    const name = nameOf(event);
    places.set(name, [...(places.get(name) ?? []), place]);
  };
  const redis = new Redis(sink.redis.url);
  try {
    await inChunks(redis, sink.sinkName, note);
    await inSpool(join(sink.dataDir, 'spool'), note);
    const unfulfilled = await receiptsWithoutObject(redis, sink.sinkName, keys);
    return {
      of: (name, acknowledgedAtMs) => {
        const seen = places.get(name);
        if (seen !== undefined) return seen.join(', ');
        // A receipt does not name its events: only receipts of objects stored after the acknowledgement are candidates.
        const late = unfulfilled.filter(({ storedAtMs }) => storedAtMs >= acknowledgedAtMs);
        return late.length === 0
          ? 'nowhere: not in Redis, not in the spool, and every receipt has its object'
          : `not in Redis and spool, maybe in ${late.map(({ id, key }) => `${id} (receipt of ${key}, which is not there)`).join(' or ')}`;
      },
    };
  } finally {
    redis.disconnect();
  }
}

type Note = (event: Readonly<Record<string, unknown>>, place: string) => void;

/** In a chunk, and in a sealed segment if there is a record of it. */
async function inChunks(redis: Redis, sinkName: string, note: Note): Promise<void> {
  const lane = laneKeys(sinkName, 0);
  const slices = Object.values(await redis.hgetall(lane.records)).flatMap((json) => {
    const { id, slices } = parseRecord(json);
    return slices.map(([chunk, from, to]) => ({ id, chunk, from, to }));
  });
  for (const [chunk, fields] of await redis.xrange(lane.chunks, '-', '+')) {
    for (const [index, event] of eventsIn(fields[fields.indexOf('b') + 1] ?? '').entries()) {
      const sealed = slices.find((slice) => slice.chunk === chunk && slice.from <= index && index < slice.to);
      note(event, `chunk ${chunk} in Redis, ${sealed ? `record of segment ${sealed.id}` : 'in no record'}`);
    }
  }
}

/** Segments are not compressed in these runs: a file begins with the lines of its object. */
async function inSpool(directory: string, note: Note): Promise<void> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  for (const { name, parentPath } of entries.filter((entry) => entry.isFile())) {
    for (const event of eventsIn(await readFile(join(parentPath, name), 'utf8'))) note(event, `spool file ${name}`);
  }
}

async function receiptsWithoutObject(
  redis: Redis,
  sinkName: string,
  keys: ReadonlySet<string>,
): Promise<readonly { id: string; key: string; storedAtMs: number }[]> {
  const entries = await redis.xrange(laneKeys(sinkName, 0).receipts, '-', '+');
  return entries
    .map(([, fields]) => parseReceipt(fields[fields.indexOf('r') + 1] ?? ''))
    .filter(({ key }) => !keys.has(key));
}

/** The events among the lines. The end of a segment file is not an event. */
function eventsIn(lines: string): Record<string, unknown>[] {
  return lines.split('\n').flatMap((line) => {
    try {
      const value: unknown = JSON.parse(line);
      return typeof value === 'object' && value !== null && 'specversion' in value ? [{ ...value }] : [];
    } catch {
      return [];
    }
  });
}
