import { CloudEvent, HTTP } from 'cloudevents';
import type { Service } from './pipeline.ts';

type Target = Pick<Service, 'name' | 'url'>;

/** How long a producer waits for an answer, as Vanus does. */
const TIMEOUT_MS = 5_000;
/** Tries of one event; a broker gives up some time too. */
const ATTEMPTS_MAX = 100;
const RETRY_AFTER_MS = 50;
/** How long a sink under faults may take for what `acknowledgedMore` waits for: a guard, for slow machines. */
const PROGRESS_MAX_MS = 60_000;

/** One sending of one event, and when and by whom it was acknowledged. */
export interface Try {
  readonly event: Readonly<Record<string, unknown>>;
  acknowledged: { readonly by: string; readonly at: Date } | null;
}

/**
 * Producers that behave like a broker: many at a time, each event until it is acknowledged. A retry has the same id and
 * source, and says in an extension which try it is, as Vanus' retries do: so the oracle can tell a stored try from a
 * refused one without deduplication.
 */
export class Producers {
  /** All tries by `id#attempt`: whatever stands in an object is one of these, once; an acknowledged one stands there. */
  readonly tries = new Map<string, Try>();
  acknowledgedTries = 0;
  readonly statuses = new Map<number | 'none', number>();
  readonly #targets: () => readonly Target[];
  #event = 0;
  #running = true;
  readonly #workers: Promise<void>[] = [];
  readonly #text: string;

  /** @param textBytes of the text in each event's data */
  constructor(targets: () => readonly Target[], parallel: number, textBytes = 100) {
    this.#targets = targets;
    this.#text = 'x'.repeat(textBytes);
    this.start(parallel);
  }

  /** So many more at a time. */
  start(parallel: number): void {
    for (let i = 0; i < parallel; i++) this.#workers.push(this.#work());
  }

  /** Sends one more event, to this ingest alone, until it is acknowledged; false: not in that time. */
  async acknowledgedBy(target: Target, timeoutMs: number): Promise<boolean> {
    const event = this.#event++;
    const giveUpMs = performance.now() + timeoutMs;
    for (let attempt = 0; performance.now() < giveUpMs; attempt++) {
      if (await this.#post(target, event, eventsOf([`${event}`], attempt, this.#text))) return true;
      await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS));
    }
    return false;
  }

  /** Waits until so many more tries were acknowledged: what strikes then strikes under load, never while idle. */
  async acknowledgedMore(tries: number): Promise<void> {
    const until = this.acknowledgedTries + tries;
    const giveUpMs = performance.now() + PROGRESS_MAX_MS;
    while (this.acknowledgedTries < until) {
      if (performance.now() > giveUpMs) throw new Error(`no progress: ${JSON.stringify([...this.statuses])}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Ends after what is being sent now is acknowledged. */
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
        const ids = event % 5 === 0 ? [`${event}.a`, `${event}.b`] : [`${event}`];
        if (await this.#post(target, event, eventsOf(ids, attempt, this.#text))) break;
        await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS));
      }
    }
  }

  async #post(target: Target, number: number, events: readonly CloudEvent<unknown>[]): Promise<boolean> {
    const tries = events.map((event): Try => ({ event: { ...event.toJSON() }, acknowledged: null }));
    for (const one of tries) this.tries.set(tryOf(one.event), one);
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const response = await fetch(target.url, { method: 'POST', ...message(number, events), signal });
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

/** The name of a try: `id#attempt`. */
export function tryOf(event: Readonly<Record<string, unknown>>): string {
  return `${String(event['id'])}#${String(event['attempt'])}`;
}

function eventsOf(ids: readonly string[], attempt: number, text: string): CloudEvent<unknown>[] {
  return ids.map(
    (id) =>
      new CloudEvent({
        ...{ id, source: '/e2e', type: 'e2e.event', datacontenttype: 'application/json', attempt },
        data: { id, text },
      }),
  );
}

/** Several events in batched mode; one in binary or structured mode, in turn. */
function message(
  number: number,
  events: readonly CloudEvent<unknown>[],
): { headers: Record<string, string>; body: string } {
  const [first] = events;
  if (events.length !== 1 || !first) {
    return { headers: { 'content-type': 'application/cloudevents-batch+json' }, body: JSON.stringify(events) };
  }
  const { headers, body } = number % 2 === 0 ? HTTP.binary(first) : HTTP.structured(first);
  return {
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])),
    body: String(body),
  };
}
