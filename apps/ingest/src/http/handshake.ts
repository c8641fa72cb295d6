import type { IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Producers } from '../producers/producers.ts';

export const ALLOW = 'POST, PUT, OPTIONS';
const SECONDS_A_MINUTE = 60;
/** Longer than it takes to verify a token. */
const IDENTIFY_MS_MAX = 250;

export interface HandshakeSettings {
  /** Which origins may send; null: any. */
  readonly webhookAllowedOrigins: readonly string[] | null;
}

/**
 * The answer to the validation handshake of the CloudEvents webhook specification, section 4. An origin that is not allowed
 * gets no WebHook-Allowed-Origin. A request without an origin gets the allowed methods.
 *
 * The answer is given at once: `WebHook-Request-Callback`, an address that anybody may choose, is never asked for.
 */
export async function handshake(
  req: IncomingMessage,
  { webhookAllowedOrigins: allowed }: HandshakeSettings,
  producers: Producers | null,
): Promise<Record<string, string>> {
  const origin = req.headers['webhook-request-origin'];
  if (typeof origin !== 'string' || origin === '') return { Allow: ALLOW };
  const isAllowed =
    allowed === null || allowed.some((one) => one === '*' || one.toLowerCase() === origin.trim().toLowerCase());
  if (!isAllowed) return { Allow: 'POST' };
  const rate = await ratePerMinute(req, producers);
  return { Allow: 'POST', 'WebHook-Allowed-Origin': origin, 'WebHook-Allowed-Rate': rate };
}

/**
 * That of the producer whose credentials the request has: a request with one event each. A key that is not there yet is not
 * waited for.
 */
async function ratePerMinute(req: IncomingMessage, producers: Producers | null): Promise<string> {
  if (producers === null || producers.isOpen) return '*';
  const identified = await Promise.race([producers.identify(req), delay(IDENTIFY_MS_MAX, null, { ref: false })]);
  const limit = identified?.kind === 'known' ? identified.producer.limits.eventsPerSecond : null;
  return limit === null ? '*' : String(limit * SECONDS_A_MINUTE);
}
