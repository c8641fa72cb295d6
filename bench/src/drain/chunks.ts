import { decodeMessage } from '@sink/cloudevents';
import { traffic } from '../load/traffic.ts';
import type { PreparedChunk } from '../sink/lane-access.ts';

/** Far in the future, so that no hour ends meanwhile. */
const PARTITION = '2100/01/01/00';

/** The events of a chunk when 128 connections send one event each. */
export const EVENTS_PER_CHUNK = 100;

/** The lines of 10,000 events that producers send in batches, more than the window of any codec. */
export function eventLines(): string[] {
  return traffic('batch').messages.flatMap(({ headers, body }) =>
    decodeMessage(Object.entries(headers).flat(), Buffer.from(body)).map((line) => `${line}\n`),
  );
}

/** Chunks of so many events each, as ingest would append them. They repeat only after all lines were used. */
export function preparedChunks(lines: readonly string[], eventsPerChunk = EVENTS_PER_CHUNK): PreparedChunk[] {
  const chunks = Math.max(1, Math.floor(lines.length / eventsPerChunk));
  return Array.from({ length: chunks }, (_, chunk) => {
    const first = chunk * eventsPerChunk;
    const own = Array.from({ length: eventsPerChunk }, (_, event) => lines[(first + event) % lines.length] ?? '');
    return { partition: PARTITION, count: eventsPerChunk, body: Buffer.from(own.join('')) };
  });
}

/** Returns the chunks by turns. */
export function inTurn<T>(items: readonly T[]): (index: number) => T {
  return (index) => {
    const item = items[index % items.length];
    if (item === undefined) throw new Error('taking chunks by turns: there are none');
    return item;
  };
}
