/** Structured and batched mode (HTTP binding 1.0.2, sections 3.2 and 3.3) in the JSON format. */
import { DEFAULT_DECODING, type Decoding, TRACEPARENT } from './decoding.ts';
import { isObject } from './attributes.ts';
import { readJsonEvent } from './json-event.ts';
import type { JsonEvent } from './json-event.ts';
import { skipWhitespace, parseJson } from './json.ts';
import { MessageError } from './message-error.ts';
import { plainBatch, plainEvent } from './plain-event.ts';

/** @throws MessageError */
export function decodeStructured(body: Buffer, decoding: Decoding): string[] {
  const line = plainEvent(body, decoding.traceparent);
  return line === null ? decodeAnyStructured(body, decoding) : [line];
}

/** The same, slower, for events that need not be plain. @throws MessageError */
export function decodeAnyStructured(body: Buffer, decoding: Decoding = DEFAULT_DECODING): string[] {
  return [readAnyEvent(body, decoding).line];
}

/** One element of a batch, apart from the others. @throws MessageError */
export function readElement(bytes: Buffer, decoding: Decoding): Pick<JsonEvent, 'line' | 'version'> {
  const line = plainEvent(bytes, decoding.traceparent);
  return line === null ? readAnyEvent(bytes, decoding) : { line, version: '1.0' };
}

function readAnyEvent(body: Buffer, decoding: Decoding): JsonEvent {
  const { text, value } = parseJson(body, 'the event');
  const event = readJsonEvent(text, skipWhitespace(text, 0), value, decoding);
  tellTraceparent(value, 0, decoding);
  return event;
}

/**
 * Decodes all events of a batch, or none. `[]` is a valid batch.
 *
 * @throws MessageError whose message names the first invalid element by its index, from 0
 */
export function decodeBatch(body: Buffer, decoding: Decoding): string[] {
  return plainBatch(body, decoding.traceparent) ?? decodeAnyBatch(body, decoding);
}

/** The same, slower, for events that need not be plain. @throws MessageError */
export function decodeAnyBatch(body: Buffer, decoding: Decoding = DEFAULT_DECODING): string[] {
  const { text, value } = parseJson(body, 'the batch');
  if (!Array.isArray(value)) throw new MessageError('json', 'a batch must be a JSON array');
  const elements: readonly unknown[] = value;
  const events: JsonEvent[] = [];
  let at = skipWhitespace(text, 0) + 1;
  for (const element of elements) {
    try {
      const event = readJsonEvent(text, skipWhitespace(text, at), element, decoding);
      if (event.version !== (events[0] ?? event).version) {
        throw anotherVersion();
      }
      events.push(event);
      at = skipWhitespace(text, event.end) + 1; // The comma, or the bracket that ends the batch.
    } catch (error) {
      if (!(error instanceof MessageError)) throw error;
      throw new MessageError(error.code, `batch element ${events.length}: ${error.message}`, { cause: error });
    }
  }
  for (const [index, element] of elements.entries()) tellTraceparent(element, index, decoding);
  return events.map(({ line }) => line);
}

export function anotherVersion(): MessageError {
  return new MessageError('batch', 'specversion must be the same in all events of a batch');
}

function tellTraceparent(event: unknown, index: number, { traceparent }: Decoding): void {
  if (traceparent === undefined || !isObject(event)) return;
  const value = event[TRACEPARENT];
  if (typeof value === 'string') traceparent(value, index);
}
