import { subscribe } from 'node:diagnostics_channel';

/** A request that got no 2xx. Times are those of `Date.now()`. */
export interface FailedRequest {
  /** The status of its answer, or why there was none. */
  answer: string;
  /** Null: it was never sent, because no connection could be made. */
  readonly sentAtMs: number | null;
  readonly failedAtMs: number;
  /** The port of its connection on the side of the client; null: it had none. */
  readonly localPort: number | null;
}

interface Sent {
  readonly atMs: number;
  readonly localPort: number | null;
}

/**
 * Notes every request of this process' `fetch` that fails. `fetch` keeps connections, as clients of a broker do, and sends
 * no POST a second time by itself: each failure here is one that a producer sees.
 */
export class FailedRequests {
  readonly all: FailedRequest[] = [];
  readonly #sent = new WeakMap<object, Sent>();
  readonly #refused = new WeakMap<object, FailedRequest>();

  watch(): void {
    subscribe('undici:client:sendHeaders', (message) => {
      const { request, socket } = message as { request: object; socket: { localPort?: number } };
      this.#sent.set(request, { atMs: Date.now(), localPort: socket.localPort ?? null });
    });
    subscribe('undici:request:headers', (message) => {
      const { request, response } = message as { request: object; response: { statusCode: number } };
      if (response.statusCode >= 300) this.#note(request, String(response.statusCode));
    });
    subscribe('undici:request:bodyChunkReceived', (message) => {
      const { request, chunk } = message as { request: object; chunk: Uint8Array };
      const failed = this.#refused.get(request);
      // The one line of a refusal.
      if (failed !== undefined) failed.answer = `${failed.answer} ${Buffer.from(chunk).toString().trim()}`;
    });
    subscribe('undici:request:error', (message) => {
      const { request, error } = message as { request: object; error: Error & { code?: string } };
      this.#note(request, `${error.code ?? error.name}: ${error.message}`);
    });
  }

  #note(request: object, answer: string): void {
    const { atMs: sentAtMs, localPort } = this.#sent.get(request) ?? { atMs: null, localPort: null };
    const failed = { answer, sentAtMs, failedAtMs: Date.now(), localPort };
    this.#refused.set(request, failed);
    this.all.push(failed);
  }
}
