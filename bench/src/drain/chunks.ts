import { decodeMessage } from '@sink/cloudevents';
import { traffic } from '../load/traffic.ts';
import type { PreparedChunk } from '../sink/lane-access.ts';

/** Far away, so that no hour ends meanwhile. */
const PARTITION = '2100/01/01/00';

/** What 128 connections with one event each bring together in a chunk. */
export const EVENTS_PER_CHUNK = 100;

/** The lines of the events that producers send in batches: 10,000 of them, more than any codec looks back over. */
export function eventLines(): string[] {
  return traffic('batch').messages.flatMap(({ headers, body }) =>
    decodeMessage(Object.entries(headers).flat(), Buffer.from(body)).map((line) => `${line}\n`),
  );
}

/** Chunks of so many events each, as ingest would append them; they come back only after all lines were used. */
export function preparedChunks(lines: readonly string[], eventsPerChunk = EVENTS_PER_CHUNK): PreparedChunk[] {
  const chunks = Math.max(1, Math.floor(lines.length / eventsPerChunk));
  return Array.from({ length: chunks }, (_, chunk) => {
    const first = chunk * eventsPerChunk;
    const own = Array.from({ length: eventsPerChunk }, (_, event) => lines[(first + event) % lines.length] ?? '');
    return { partition: PARTITION, count: eventsPerChunk, body: Buffer.from(own.join('')) };
  });
}

/** The next chunk in turn. */
export function inTurn<T>(items: readonly T[]): (index: number) => T {
  return (index) => {
    const item = items[index % items.length];
    if (item === undefined) throw new Error('taking chunks in turn: there are none');
    return item;
  };
}
