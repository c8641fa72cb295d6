import { isUtf8 } from 'node:buffer';
import { MessageError, shown } from './message-error.ts';

const BYTE_ORDER_MARK = '\ufeff';

export interface JsonText {
  readonly text: string;
  readonly value: unknown;
}

/**
 * The JSON text in `body`, and what JSON.parse makes of it. A byte order mark is ignored, as RFC 8259 section 8.1
 * allows. JSON.parse does not recurse: nesting is bounded by the size of the body alone.
 *
 * @param what names the text in error messages.
 * @throws MessageError `utf8` or `json`
 */
export function parseJson(body: Buffer, what: string): JsonText {
  if (!isUtf8(body)) throw new MessageError('utf8', `${what} is not valid UTF-8`);
  let text = body.toString('utf8');
  if (text.startsWith(BYTE_ORDER_MARK)) text = text.slice(1);
  try {
    const value: unknown = JSON.parse(text);
    return { text, value };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new MessageError('json', `${what} is not valid JSON: ${shown(reason)}`, { cause });
  }
}

export function loneSurrogate(what: string): MessageError {
  return new MessageError('surrogate', `${what} has an unpaired surrogate in a string`);
}
