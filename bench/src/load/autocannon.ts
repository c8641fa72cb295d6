import autocannon from 'autocannon';
import type { LoadGenerator, LoadOptions, LoadResult } from './load.ts';

/** Runs autocannon in this process. */
export class AutocannonLoad implements LoadGenerator {
  readonly name = 'autocannon';
  readonly #client: object;

  /** @param client certificate and key (PEM) that its connections show, if they are asked for one */
  constructor(client: { readonly cert?: string; readonly key?: string } = {}) {
    this.#client = client;
  }

  async run({ url, messages, connections, seconds }: LoadOptions): Promise<LoadResult> {
    const requests = messages.map(({ headers, body }) => ({ method: 'POST' as const, headers: { ...headers }, body }));
    let connection = 0;
    const result = await autocannon({
      url,
      method: 'POST',
      connections,
      duration: seconds,
      tlsOptions: this.#client,
      // The connections run in step, so each has its own messages: else a chunk would repeat one event.
      setupClient: (client) => {
        const first = connection++ % connections;
        client.setRequests(requests.filter((_, index) => index % connections === first % requests.length));
      },
    });
    return {
      acknowledged: result['2xx'],
      failed: result.non2xx + result.errors,
      seconds: result.duration,
    };
  }
}
