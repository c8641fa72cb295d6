import { type Sender, succeeded } from './deliver.ts';

const SECOND_MS = 1_000;
const TIMEOUT_MS = 5 * SECOND_MS;
const RETRIES_MAX = 185;
const RETRY_FOR_MS = 24 * 3_600 * SECOND_MS;
/** Amazon documents an exponential backoff with jitter, and no figures: 185 retries fit into 24 hours so. */
const WAIT_MAX_MS = 460 * SECOND_MS;
const RETRIED_4XX: readonly number[] = [401, 407, 409, 429];

export interface ApiDestinationOptions {
  /** PUT is as usual as POST. */
  readonly method?: 'POST' | 'PUT';
  /** Header parameters of the target or of the connection. They replace Content-Type. */
  readonly headerParameters?: Readonly<Record<string, string>>;
  /** The connection's credentials, of which there always are some. */
  readonly authorization?: Readonly<Record<string, string>>;
}

/** An event of an event bus. */
export interface EventBridgeEvent {
  readonly id: string;
  readonly source: string;
  readonly 'detail-type': string;
  readonly time: string;
  readonly detail: unknown;
}

/**
 * An API destination of Amazon EventBridge, as Amazon documents it (EventBridge User Guide: API destinations, Sending
 * CloudEvents events to API destinations). One event a request; each on a connection of its own.
 *
 * @param body what the input transformer makes of the event
 */
export function eventBridge(body: string, options: ApiDestinationOptions = {}): Sender {
  const { method = 'POST', headerParameters = {}, authorization = { 'X-Api-Key': 'secret' } } = options;
  const headers: Record<string, string> = {
    'User-Agent': 'Amazon/EventBridge/ApiDestinations',
    'Content-Type': 'application/json; charset=utf-8',
    Range: 'bytes=0-1048575',
    'Accept-Encoding': 'gzip,deflate',
    Connection: 'close',
  };
  return {
    timeoutMs: TIMEOUT_MS,
    request: () => ({
      method,
      headers: { ...headers, ...headerParameters, ...authorization },
      body: Buffer.from(body),
    }),
    next: (answer, attempt, elapsedMs) => {
      if (succeeded(answer)) return 'delivered';
      const again = answer === null || answer.status >= 500 || RETRIED_4XX.includes(answer.status);
      // The more conservative of both; a negative one ends the retries.
      const retryAfterMs = Number(answer?.headers['retry-after'] ?? 0) * SECOND_MS || 0;
      if (!again || attempt >= RETRIES_MAX || retryAfterMs < 0) return 'given_up';
      const waitMs = Math.max(Math.min(2 ** attempt * SECOND_MS, WAIT_MAX_MS), retryAfterMs);
      return elapsedMs + waitMs > RETRY_FOR_MS ? 'given_up' : { waitMs };
    },
  };
}

/** The input transformer of Amazon's page on CloudEvents: structured mode. The target's header parameter names the type. */
export function asStructuredCloudEvent(event: EventBridgeEvent): {
  readonly body: string;
  readonly headerParameters: Readonly<Record<string, string>>;
} {
  const { id, source, time, detail } = event;
  const type = event['detail-type'];
  const body = { specversion: '1.0', id, source, type, time, data: detail };
  return {
    body: JSON.stringify(body),
    headerParameters: { 'Content-Type': 'application/cloudevents+json; charset=UTF-8' },
  };
}
