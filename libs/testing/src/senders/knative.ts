import { type Sender, type SenderAnswer, succeeded } from './deliver.ts';
import { goBinary, type GoEvent } from './go-binary.ts';

/** The `delivery` of a Broker or Trigger. Without one, an event is sent once. */
export interface KnativeDelivery {
  readonly retry?: number;
  readonly backoffPolicy?: 'exponential' | 'linear';
  readonly backoffDelayMs?: number;
  /** Null: it waits for ever. */
  readonly timeoutMs?: number | null;
  /** Absent: Retry-After has no effect. */
  readonly retryAfterMaxMs?: number;
}

const RETRIED_4XX: readonly number[] = [404, 408, 409, 429];

/** What a Trigger of Knative's broker sends to its subscriber (knative.dev/eventing, pkg/kncloudevents). */
export function knative(event: GoEvent, delivery: KnativeDelivery = {}): Sender {
  const { retry = 0, backoffPolicy = 'exponential', backoffDelayMs = 0, timeoutMs = null } = delivery;
  return {
    timeoutMs,
    request: () => {
      const attributes = { ...event.attributes, knativearrivaltime: '2026-11-28T11:59:59.999999999Z' };
      const { headers, ...rest } = goBinary({ ...event, attributes });
      const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00';
      return { ...rest, headers: { ...headers, Prefer: 'reply', 'Kn-Namespace': 'default', Traceparent: traceparent } };
    },
    next: (answer, attempt) => {
      if (succeeded(answer)) return 'delivered';
      const again = answer === null || answer.status >= 500 || RETRIED_4XX.includes(answer.status);
      if (!again || attempt >= retry) return 'given_up';
      const backoffMs = backoffDelayMs * (backoffPolicy === 'exponential' ? 2 ** attempt : attempt);
      return { waitMs: Math.max(backoffMs, Math.min(retryAfterMs(answer), delivery.retryAfterMaxMs ?? 0)) };
    },
  };
}

function retryAfterMs(answer: SenderAnswer | null): number {
  if (answer === null || (answer.status !== 429 && answer.status !== 503)) return 0;
  return Number(answer.headers['retry-after'] ?? 0) * 1_000 || 0;
}
