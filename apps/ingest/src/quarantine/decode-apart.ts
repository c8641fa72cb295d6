import { type Decoding, type MessagePart, splitMessage } from '@sink/cloudevents';
import type { Refusal } from '../http/answers.ts';
import type { QuarantineReason } from '../metrics.ts';
import type { Refused } from './quarantine.ts';

/** The events of a message: those that are stored, and those that are refused and kept. */
export interface Decoded {
  readonly lines: readonly string[];
  readonly refused: readonly Refused[];
  /** The answer if what is refused cannot be kept; null: nothing is refused. */
  readonly refusal: Refusal | null;
}

export const NONE_REFUSED: readonly Refused[] = [];

/**
 * The events of a message that was refused, one by one.
 * @param refusedMax null comes back if more events than this are refused
 */
export function decodeApart(
  rawHeaders: readonly string[],
  body: Buffer,
  decoding: Decoding,
  refusal: Refusal,
  refusedMax: number,
): Decoded | null {
  const parts = splitMessage(rawHeaders, body, decoding, refusedMax);
  if (parts === null) return null;
  const lines: string[] = [];
  const refused: Refused[] = [];
  for (const { index, bytes, line, error } of parts) {
    if (error !== null) refused.push({ index, bytes, reason: error.code, why: error.message });
    else if (line !== null) lines.push(line);
  }
  return { lines, refused, refusal };
}

/** A body whose compression is damaged, so that its events are not known. */
export function decodeDamaged(body: Buffer, refusal: Refusal): Decoded {
  const refused: Refused = { index: null, bytes: body, reason: 'compressed_data', why: refusal.message };
  return { lines: [], refused: [refused], refusal };
}

/** What is wrong with a line that was decoded. */
export interface InvalidLine {
  /** Its index among the lines. */
  readonly line: number;
  readonly reason: QuarantineReason;
  readonly why: string;
}

/** The same message without lines that turned out to be invalid: they are refused too, with their own bytes. */
export function withoutInvalid(
  rawHeaders: readonly string[],
  body: Buffer,
  decoding: Decoding,
  { lines, refused }: Decoded,
  invalid: readonly InvalidLine[],
  refusal: Refusal,
): Decoded {
  const good: readonly MessagePart[] = (splitMessage(rawHeaders, body, decoding) ?? []).filter(
    ({ error }) => error === null,
  );
  const wrong = new Map(invalid.map((one) => [one.line, one]));
  const more = good.flatMap(({ index, bytes }, line): Refused[] => {
    const found = wrong.get(line);
    return found === undefined ? [] : [{ index, bytes, reason: found.reason, why: found.why }];
  });
  return {
    lines: lines.filter((_, line) => !wrong.has(line)),
    refused: [...refused, ...more].sort((a, b) => (a.index ?? 0) - (b.index ?? 0)),
    refusal,
  };
}
