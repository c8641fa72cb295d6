import { CloudEvent, HTTP } from 'cloudevents';
import type { Service } from './pipeline.ts';

/** How long a producer waits for an answer, as Vanus does. */
const TIMEOUT_MS = 5_000;

/**
 * Producers that behave like a broker: many at a time, each event until it is acknowledged. Every try is an event of its
 * own (its id says which), so that the oracle can tell a stored try from a refused one without deduplication.
 */
export class Producers {
  /** Ids of the tries that got a 2xx: each must stand in exactly one object. */
  readonly acknowledged = new Set<string>();
  /** Ids of all tries: whatever stands in an object is one of these, once. */
  readonly sent = new Set<string>();
  readonly statuses = new Map<number | 'none', number>();
  readonly #targets: () => readonly Service[];
  #event = 0;
  #running = true;
  readonly #workers: Promise<void>[] = [];

  constructor(targets: () => readonly Service[], parallel: number) {
    this.#targets = targets;
    for (let i = 0; i < parallel; i++) this.#workers.push(this.#work());
  }

  /** Ends after what is being sent now is acknowledged. */
  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#workers);
  }

  async #work(): Promise<void> {
    while (this.#running) {
      const event = this.#event++;
      for (let attempt = 0; attempt < 100; attempt++) {
        const services = this.#targets();
        const target = services[(event + attempt) % services.length];
        if (!target) throw new Error('there is no ingest to send to');
        const ids = event % 5 === 0 ? [`${event}.${attempt}.a`, `${event}.${attempt}.b`] : [`${event}.${attempt}`];
        if (await this.#post(target.url, ids)) break;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  async #post(url: string, ids: readonly string[]): Promise<boolean> {
    for (const id of ids) this.sent.add(id);
    try {
      const response = await fetch(url, { method: 'POST', ...message(ids), signal: AbortSignal.timeout(TIMEOUT_MS) });
      await response.arrayBuffer();
      this.#count(response.status);
      if (!response.ok) return false;
      for (const id of ids) this.acknowledged.add(id);
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

/** One event in binary mode; several in batched mode. */
function message(ids: readonly string[]): { headers: Record<string, string>; body: string } {
  const events = ids.map(
    (id) => new CloudEvent({ id, source: '/e2e', type: 'e2e.event', data: { id, text: 'x'.repeat(100) } }),
  );
  const [first] = events;
  if (events.length === 1 && first) {
    const { headers, body } = HTTP.binary(first);
    return {
      headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])),
      body: String(body),
    };
  }
  return { headers: { 'content-type': 'application/cloudevents-batch+json' }, body: JSON.stringify(events) };
}
