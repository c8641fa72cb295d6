import { request } from 'node:http';
import type { OutgoingHttpHeaders } from 'node:http';

/** One request of a sender. Values of headers are sent as UTF-8, as they are. */
export interface SenderRequest {
  readonly method: 'POST' | 'PUT' | 'OPTIONS';
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface SenderAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** How a sender goes on: the event is delivered, it is given up (dead letter, or lost), or it is sent again later. */
export type NextStep = 'delivered' | 'given_up' | { readonly waitMs: number };

/** What a sender does with one event, or one batch. */
export interface Sender {
  /** How long it waits for an answer; null: for ever. */
  readonly timeoutMs: number | null;
  /** @param attempt counts from 0 */
  request(attempt: number): SenderRequest;
  /**
   * @param answer null: the connection was closed, or no answer came in time
   * @param elapsedMs since the first attempt, as far as waits make it
   */
  next(answer: SenderAnswer | null, attempt: number, elapsedMs: number): NextStep;
}

export interface Delivery {
  readonly outcome: 'delivered' | 'given_up';
  /** The statuses in the order of the attempts; null: no answer. */
  readonly statuses: readonly (number | null)[];
  /** The waits between the attempts. */
  readonly waitsMs: readonly number[];
}

export interface DeliveryOptions {
  /** Instead of waiting, which would take hours. */
  readonly wait?: (ms: number) => Promise<void> | void;
  /** A shorter wait for answers than that of the sender. */
  readonly timeoutMs?: number;
}

/** Sends until the sender has delivered the event or gives it up. */
export async function deliver(url: string, sender: Sender, options: DeliveryOptions = {}): Promise<Delivery> {
  const statuses: (number | null)[] = [];
  const waitsMs: number[] = [];
  for (let attempt = 0; ; attempt++) {
    const answer = await sendOnce(url, sender.request(attempt), options.timeoutMs ?? sender.timeoutMs);
    statuses.push(answer?.status ?? null);
    const elapsedMs = waitsMs.reduce((sum, ms) => sum + ms, 0);
    const step = sender.next(answer, attempt, elapsedMs);
    if (typeof step === 'string') return { outcome: step, statuses, waitsMs };
    waitsMs.push(step.waitMs);
    await options.wait?.(step.waitMs);
  }
}

/** Resolves to null when the connection is closed, or no answer comes in time. */
export async function sendOnce(
  url: string,
  { method, headers, body }: SenderRequest,
  timeoutMs: number | null,
): Promise<SenderAnswer | null> {
  const signal = timeoutMs === null ? undefined : AbortSignal.timeout(timeoutMs);
  return new Promise((resolve) => {
    // Node writes each character of a value as one byte.
    const bytes = Object.entries(headers).map(([name, value]) => [name, Buffer.from(value).toString('latin1')]);
    const fields = Object.fromEntries(bytes) as OutgoingHttpHeaders;
    const length = method === 'OPTIONS' ? {} : { 'Content-Length': body.length };
    const outgoing = request(url, {
      method,
      headers: { ...fields, ...length },
      agent: false,
      ...(signal ? { signal } : {}),
    });
    outgoing.once('error', () => resolve(null));
    outgoing.once('response', (incoming) => {
      incoming.once('error', () => resolve(null));
      incoming.once('end', () => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers }));
      incoming.resume();
    });
    outgoing.end(body);
  });
}

export function succeeded(answer: SenderAnswer | null): boolean {
  return answer !== null && answer.status >= 200 && answer.status < 300;
}
