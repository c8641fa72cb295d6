import { type Sender, sendOnce } from './deliver.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const RETRY_WAITS_MS = [
  10 * SECOND_MS,
  30 * SECOND_MS,
  MINUTE_MS,
  5 * MINUTE_MS,
  10 * MINUTE_MS,
  30 * MINUTE_MS,
  HOUR_MS,
  3 * HOUR_MS,
  6 * HOUR_MS,
];
const LAST_WAIT_MS = 12 * HOUR_MS;
const TIME_TO_LIVE_MS = 24 * HOUR_MS;
const ATTEMPTS_MAX = 30;
const TIMEOUT_MS = 30 * SECOND_MS;

/** Of a webhook: never sent again, but put into the dead letters, or dropped where there are none. */
const NOT_RETRIED: readonly number[] = [400, 401, 403, 413];
const DELIVERED: readonly number[] = [200, 201, 202, 203, 204];
const WAITS_AT_LEAST_MS: Readonly<Record<number, number>> = {
  404: 5 * MINUTE_MS,
  408: 2 * MINUTE_MS,
  503: 30 * SECOND_MS,
};
export const EVENT_GRID_BATCH_EVENTS_MAX = 5_000;
export const EVENT_GRID_BATCH_BYTES_MAX = 1_024 * 1_024;

/**
 * A webhook subscription of Azure Event Grid with the CloudEvents 1.0 schema, as Microsoft documents it
 * (learn.microsoft.com/azure/event-grid: delivery-and-retry, cloud-event-schema, receive-events). Retries are on a best
 * effort; the waits here are the documented ones, without their randomization.
 *
 * @param events one event, or a batch where the subscription has output batching
 */
export function eventGrid(events: readonly Readonly<Record<string, unknown>>[], { batching = false } = {}): Sender {
  const [first] = events;
  if (!batching && events.length !== 1) throw new Error('without batching, a request has one event');
  if (events.length > EVENT_GRID_BATCH_EVENTS_MAX) throw new Error('a batch has too many events');
  const format = batching ? 'cloudevents-batch+json' : 'cloudevents+json';
  const body = Buffer.from(JSON.stringify(batching ? events : first));
  if (batching && events.length > 1 && body.length > EVENT_GRID_BATCH_BYTES_MAX)
    throw new Error('a batch is too large');
  return {
    timeoutMs: TIMEOUT_MS,
    request: (attempt) => ({
      method: 'POST',
      headers: {
        'Content-Type': `application/${format}; charset=utf-8`,
        'aeg-subscription-name': 'SINK',
        'aeg-delivery-count': String(attempt),
        'aeg-data-version': '',
        'aeg-metadata-version': '1.0',
        'aeg-event-type': 'Notification',
        ...(batching ? {} : { 'aeg-output-event-id': '6f9d8a2e-33a1-4d09-9b3e-0a1a3e0f5c11' }),
      },
      body,
    }),
    next: (answer, attempt, elapsedMs) => {
      const status = answer?.status ?? 0;
      if (DELIVERED.includes(status)) return 'delivered';
      if (NOT_RETRIED.includes(status) || attempt + 1 >= ATTEMPTS_MAX) return 'given_up';
      const waitMs = Math.max(RETRY_WAITS_MS[attempt] ?? LAST_WAIT_MS, WAITS_AT_LEAST_MS[status] ?? 0);
      return elapsedMs + waitMs > TIME_TO_LIVE_MS ? 'given_up' : { waitMs };
    },
  };
}

/**
 * The handshake, when a subscription is created: the CloudEvents webhook specification. The endpoint may also validate by a
 * GET of the callback within ten minutes; ingest does not.
 * @returns whether the subscription is created
 */
export async function eventGridHandshake(url: string): Promise<boolean> {
  const origin = 'eventgrid.azure.net';
  const answer = await sendOnce(
    url,
    {
      method: 'OPTIONS',
      headers: {
        'WebHook-Request-Origin': origin,
        'WebHook-Request-Callback':
          'https://rp-westeurope.eventgrid.azure.net:553/eventsubscriptions/sink/validate?id=0',
        'WebHook-Request-Rate': '120',
      },
      body: Buffer.alloc(0),
    },
    TIMEOUT_MS,
  );
  if (answer?.status !== 200) return false;
  const allowed = answer.headers['webhook-allowed-origin'];
  const rate = answer.headers['webhook-allowed-rate'];
  return (allowed === '*' || allowed === origin) && (rate === '*' || Number(rate) > 0);
}
