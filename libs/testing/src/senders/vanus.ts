import { type Sender, succeeded } from './deliver.ts';
import { goBinary, type GoEvent } from './go-binary.ts';

const SECOND_MS = 1_000;
const RETRY_WAITS_MS = [1, 5, 10, 30, 60, 120, 240, 480, 960].map((seconds) => seconds * SECOND_MS);
const LAST_WAIT_MS = 3_600 * SECOND_MS;
const RETRIES_MAX = 32;
const TIMEOUT_MS = 5 * SECOND_MS;

export interface VanusOptions {
  /** An ordered subscription: nothing is sent twice. */
  readonly ordered?: boolean;
}

/**
 * The trigger of Vanus (its last source, December 2023, as it was seen to send): one event a request, in binary mode. It
 * ignores Retry-After. A retry has other attributes than the first delivery; only source, id and data stay.
 */
export function vanus(event: GoEvent, { ordered = false }: VanusOptions = {}): Sender {
  return {
    timeoutMs: TIMEOUT_MS,
    request: (attempt) => {
      const retry = {
        xvanuseventbus: '0000002689000009',
        xvanusretryattempts: String(attempt),
        xvanusdeliverytime: '2026-11-28T12:00:00Z',
        xvanussubid: '0000002689000010',
      };
      const first = { xvanuseventbus: '0000002689000001' };
      const more = { xvanusstime: '2026-11-28T11:59:59.999Z', ...(attempt === 0 ? first : retry) };
      return goBinary({ ...event, attributes: { ...event.attributes, ...more } });
    },
    next: (answer, attempt) => {
      if (succeeded(answer)) return 'delivered';
      if (ordered || attempt >= RETRIES_MAX) return 'given_up';
      const refused = answer !== null && answer.status >= 400 && answer.status < 500 && answer.status !== 429;
      return refused ? 'given_up' : { waitMs: RETRY_WAITS_MS[attempt] ?? LAST_WAIT_MS };
    },
  };
}
