import { CloudEvent, HTTP } from 'cloudevents';
import type { Service } from './pipeline.ts';

type Target = Pick<Service, 'name' | 'url'>;

/** How long a producer waits for an answer; Vanus waits as long. */
const TIMEOUT_MS = 5_000;
/** The number of attempts at one event, since a broker gives up as well. */
const ATTEMPTS_MAX = 100;
const RETRY_AFTER_MS = 50;
/** How long `acknowledgedMore` waits for a sink under faults: a guard, with room for slow machines. */
const PROGRESS_MAX_MS = 60_000;

/** One attempt at one event, and the time and the ingest of its acknowledgement. */
export interface Try {
  readonly event: Readonly<Record<string, unknown>>;
  acknowledged: { readonly by: string; readonly at: Date } | null;
  /** The bytes that were sent in its place, which are no valid event: it belongs in quarantine. Absent: it is valid. */
  readonly refused?: string;
}

export interface ProducersOptions {
  /** The length of the text in each event's data. */
  readonly textBytes?: number;
  /** How long a producer waits after an acknowledgement. */
  readonly pauseMs?: number;
  /** Tells the events of several sets of producers from each other. */
  readonly idPrefix?: string;
  /** About a tenth of the events is not valid, alone and inside batches. For a sink with `on_invalid: quarantine`. */
  readonly bad?: boolean;
}

/**
 * Producers that behave like a broker: many run at the same time, and each sends its event until it is acknowledged. A
 * retry has the same id and source and the number of the attempt in an extension, as the retries of Vanus have. So the
 * oracle can distinguish a stored attempt from a refused one without deduplication.
 */
export class Producers {
  /** All attempts by `id#attempt`. Every stored event is one of these, once, and every acknowledged one is stored. */
  readonly tries = new Map<string, Try>();
  acknowledgedTries = 0;
  readonly statuses = new Map<number | 'none', number>();
  readonly #targets: () => readonly Target[];
  #event = 0;
  #running = true;
  readonly #workers: Promise<void>[] = [];
  readonly #text: string;
  readonly #pauseMs: number;
  readonly #idPrefix: string;
  readonly #bad: boolean;

  constructor(targets: () => readonly Target[], parallel: number, options: ProducersOptions = {}) {
    const { textBytes = 100, pauseMs = 0, idPrefix = '', bad = false } = options;
    this.#bad = bad;
    this.#targets = targets;
    this.#text = 'x'.repeat(textBytes);
    this.#pauseMs = pauseMs;
    this.#idPrefix = idPrefix;
    this.start(parallel);
  }

  /** Adds so many producers. */
  start(parallel: number): void {
    for (let i = 0; i < parallel; i++) this.#workers.push(this.#work());
  }

  /** Sends one more event to this ingest alone until it is acknowledged. False: it was not, in that time. */
  async acknowledgedBy(target: Target, timeoutMs: number): Promise<boolean> {
    const event = this.#event++;
    const giveUpMs = performance.now() + timeoutMs;
    for (let attempt = 0; performance.now() < giveUpMs; attempt++) {
      if (await this.#post(target, event, eventsOf([`${this.#idPrefix}${event}`], attempt, this.#text))) return true;
      await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS));
    }
    return false;
  }

  /** Waits until so many more attempts are acknowledged, so that the next fault strikes under load. */
  async acknowledgedMore(tries: number): Promise<void> {
    const until = this.acknowledgedTries + tries;
    const giveUpMs = performance.now() + PROGRESS_MAX_MS;
    while (this.acknowledgedTries < until) {
      if (performance.now() > giveUpMs) throw new Error(`no progress: ${JSON.stringify([...this.statuses])}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Stops when the events that are being sent are acknowledged. */
  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#workers);
  }

  async #work(): Promise<void> {
    while (this.#running) {
      const event = this.#event++;
      for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        const services = this.#targets();
        const target = services[(event + attempt) % services.length];
        if (!target) throw new Error('there is no ingest to send to');
        const id = `${this.#idPrefix}${event}`;
        const ids = event % 5 === 0 ? [`${id}.a`, `${id}.b`] : [id];
        if (await this.#post(target, event, eventsOf(ids, attempt, this.#text))) break;
        await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS));
      }
      if (this.#pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, this.#pauseMs));
    }
  }

  async #post(target: Target, number: number, events: readonly CloudEvent<unknown>[]): Promise<boolean> {
    const refused = this.#bad ? badOf(number, events) : null;
    const tries = events.map((event, index): Try => ({
      event: { ...event.toJSON() },
      acknowledged: null,
      ...(refused?.index === index ? { refused: refused.text } : {}),
    }));
    for (const one of tries) this.tries.set(tryOf(one.event), one);
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const response = await fetch(target.url, { method: 'POST', ...message(number, events, refused), signal });
      await response.arrayBuffer();
      this.#count(response.status);
      if (!response.ok) return false;
      for (const one of tries) one.acknowledged = { by: target.name, at: new Date() };
      this.acknowledgedTries += tries.length;
      return true;
    } catch {
      this.#count('none');
      return false;
    }
  }

  #count(status: number | 'none'): void {
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
  }
}

/** The name of an attempt: `id#attempt`. */
export function tryOf(event: Readonly<Record<string, unknown>>): string {
  return `${String(event['id'])}#${String(event['attempt'])}`;
}

/** The name of the attempt in whose place this was sent. */
export function tryOfRefused(text: string): string {
  const [, id] = /"id":"([^"]*)"/.exec(text) ?? [];
  const [, attempt] = /"attempt":(\d+)/.exec(text) ?? [];
  return `${id}#${attempt}`;
}

function eventsOf(ids: readonly string[], attempt: number, text: string): CloudEvent<unknown>[] {
  return ids.map(
    (id) =>
      new CloudEvent({
        id,
        source: '/e2e',
        type: 'e2e.event',
        datacontenttype: 'application/json',
        attempt,
        data: { id, text },
      }),
  );
}

/** One event of a request that is replaced by what is none. */
interface Bad {
  readonly index: number;
  readonly text: string;
}

/** Of twenty requests, one event inside a batch lacks its type; so does one that is alone, and another one breaks off. */
function badOf(number: number, events: readonly CloudEvent<unknown>[]): Bad | null {
  const index = events.length - 1;
  const { type, ...untyped } = events[index]?.toJSON() ?? {};
  const text = JSON.stringify(untyped);
  switch (number % 20) {
    case 3:
    case 5:
      return { index, text };
    case 13:
      return { index, text: `${text.slice(0, -1)},"type":${JSON.stringify(type)}` };
    default:
      return null;
  }
}

/** Several events in batched mode; a single event in binary and structured mode by turns. */
function message(
  number: number,
  events: readonly CloudEvent<unknown>[],
  bad: Bad | null,
): { headers: Record<string, string>; body: string } {
  const [first] = events;
  if (events.length !== 1 || !first) {
    const texts = events.map((event, index) => (bad?.index === index ? bad.text : JSON.stringify(event)));
    return { headers: { 'content-type': 'application/cloudevents-batch+json' }, body: `[${texts.join()}]` };
  }
  if (bad !== null) return { headers: { 'content-type': 'application/cloudevents+json' }, body: bad.text };
  const { headers, body } = number % 2 === 0 ? HTTP.binary(first) : HTTP.structured(first);
  return {
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])),
    body: String(body),
  };
}
