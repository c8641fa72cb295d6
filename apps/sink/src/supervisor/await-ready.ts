import type { Clock, Logger } from '@sink/runtime';

const POLL_MS = 100;
const REQUEST_TIMEOUT_MS = 2000;
/** From then on it is said what is waited for, again and again. */
const PATIENCE_MS = 10_000;

/** Resolves to true when every address answers 200, to false when the signal aborts before. */
export async function awaitReady(
  urls: readonly string[],
  { clock, log, signal }: { readonly clock: Clock; readonly log: Logger; readonly signal: AbortSignal },
): Promise<boolean> {
  let saidMs = clock.monotonicMs();
  while (!signal.aborted) {
    const states = await Promise.all(urls.map((url) => ask(url)));
    const waiting = states.filter((state) => state !== null);
    if (waiting.length === 0) return true;
    if (clock.monotonicMs() - saidMs >= PATIENCE_MS) {
      saidMs = clock.monotonicMs();
      log.warn({ waiting }, 'not ready yet');
    }
    await clock.sleep(POLL_MS, signal);
  }
  return false;
}

/** Null when ready, else why not. */
async function ask(url: string): Promise<string | null> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
    const body = await response.text();
    return response.ok ? null : `${url}: ${body.slice(0, 500)}`;
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return `${url}: ${cause instanceof Error ? cause.message : String(cause)}`;
  }
}
