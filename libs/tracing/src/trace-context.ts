/** W3C Trace Context, and how an identity is stored in Redis. */
import type { RemoteSpan, SpanIdentity } from './port.ts';

/** Version, trace id, parent id, flags; what a later version adds behind them is not read. */
const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const STORED = /^(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})(?:;([\x20-\x7e]*))?$/;
/** A longer `tracestate` is not carried along, as the specification allows (section 3.3.1.5). */
const STATE_CHARACTERS_MAX = 512;
const NOT_PRINTABLE = /[^\x20-\x7e]/;
const SAMPLED = 1;

/**
 * Reads `traceparent`, of a request or as an extension of an event.
 * @returns null if it is not valid: the specification then has it ignored, with its `tracestate`
 */
export function parseTraceparent(traceparent: unknown, tracestate?: unknown): RemoteSpan | null {
  if (typeof traceparent !== 'string') return null;
  const [, version, traceId, spanId, flags, rest] = TRACEPARENT.exec(traceparent) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return null;
  if (version === '00' && rest !== undefined) return null;
  const sampled = (Number.parseInt(flags, 16) & SAMPLED) === SAMPLED;
  return { traceId, spanId, sampled, state: stateOf(tracestate) };
}

function stateOf(tracestate: unknown): string {
  if (typeof tracestate !== 'string' || tracestate.length > STATE_CHARACTERS_MAX) return '';
  return NOT_PRINTABLE.test(tracestate) ? '' : tracestate;
}

export function storedIdentity({ traceId, spanId, state }: SpanIdentity): string {
  return state === '' ? `${traceId}-${spanId}` : `${traceId}-${spanId};${state}`;
}

/** Null if the text is not one that `storedIdentity` made. */
export function parseStoredIdentity(text: unknown): SpanIdentity | null {
  if (typeof text !== 'string') return null;
  const [, traceId, spanId, state = ''] = STORED.exec(text) ?? [];
  return traceId === undefined || spanId === undefined ? null : { traceId, spanId, state };
}
