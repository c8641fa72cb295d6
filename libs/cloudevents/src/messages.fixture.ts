/** Messages for the tests, as node:http delivers them. */
import { decodeMessage } from './decode-message.ts';
import { DEFAULT_DECODING, type Decoding } from './decoding.ts';
import { MessageError } from './message-error.ts';

export type Outcome = readonly string[] | { readonly status: number; readonly code: string; readonly message: string };

/** Header text as node:http delivers UTF-8 bytes: one latin1 character per byte. */
export function onTheWire(value: string): string {
  return Buffer.from(value, 'utf8').toString('latin1');
}

type Headers = readonly (readonly [string, string])[];

export function decode(headers: Headers, body: string | Buffer, decoding: Partial<Decoding> = {}): Outcome {
  try {
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    return decodeMessage(headers.flat(), bytes, { ...DEFAULT_DECODING, ...decoding });
  } catch (error) {
    if (!(error instanceof MessageError)) throw error;
    return { status: error.status, code: error.code, message: error.message };
  }
}

export const REQUIRED_HEADERS = [
  ['Ce-Specversion', '1.0'],
  ['Ce-Id', '1'],
  ['Ce-Source', '/s'],
  ['Ce-Type', 't'],
] as const;

/** The members for the required headers. */
export const REQUIRED_LINE = '{"specversion":"1.0","id":"1","source":"/s","type":"t"';

export function decodeBinaryWith(headers: Headers, body: string | Buffer = '', decoding?: Partial<Decoding>): Outcome {
  return decode([...REQUIRED_HEADERS, ...headers], body, decoding);
}

export const REFUSE_MALFORMED: Partial<Decoding> = { malformedJson: 'refuse' };

export function decodeStructuredText(body: string | Buffer, contentType = 'application/cloudevents+json'): Outcome {
  return decode([['Content-Type', contentType]], body);
}

export function decodeBatchText(body: string | Buffer, contentType = 'application/cloudevents-batch+json'): Outcome {
  return decode([['Content-Type', contentType]], body);
}
