import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../random.ts';

/** As Vanus: it waits so long for an answer, and so long before each further attempt. */
const TIMEOUT_MS = 5_000;
const WAITS_MS = [1_000, 5_000, 10_000, 30_000, 60_000, 120_000];
const TEXT_BYTES_MAX = 400;

export interface StormResult {
  /** Events with a 202. */
  readonly acknowledged: ReadonlySet<string>;
  /** Attempts, of all events together. */
  readonly deliveries: number;
  /** How they ended: a status, or an error. */
  readonly answers: ReadonlyMap<number | string, number>;
}

/** What a broker does after an outage: it sends all events at once, each on a connection of its own, and again until a 202. */
export async function retryStorm(url: string, events: number, random: Random): Promise<StormResult> {
  const acknowledged = new Set<string>();
  const answers = new Map<number | string, number>();
  let deliveries = 0;
  const deliver = async (id: string, textBytes: number): Promise<void> => {
    for (const waitMs of [...WAITS_MS, null]) {
      deliveries += 1;
      const answer = await post(url, id, textBytes);
      answers.set(answer, (answers.get(answer) ?? 0) + 1);
      if (answer === 202) acknowledged.add(id);
      if (answer === 202 || waitMs === null) return;
      await sleep(waitMs);
    }
  };
  const sizes = Array.from({ length: events }, () => random.below(TEXT_BYTES_MAX));
  await Promise.all(sizes.map((textBytes, number) => deliver(`storm-${number}`, textBytes)));
  return { acknowledged, deliveries, answers };
}

function post(url: string, id: string, textBytes: number): Promise<number | string> {
  const body = JSON.stringify({ id, text: 'x'.repeat(textBytes) });
  const attributes = { 'ce-specversion': '1.0', 'ce-id': id, 'ce-source': '/storm', 'ce-type': 't' };
  const headers = { ...attributes, 'content-type': 'application/json', 'content-length': body.length };
  return new Promise((resolve) => {
    const sent = request(url, { agent: false, method: 'POST', headers }, (response) => {
      response.resume();
      response.once('error', () => resolve('cut'));
      response.once('end', () => resolve(response.statusCode ?? 0));
    });
    const timer = setTimeout(() => {
      sent.destroy();
      resolve('timeout');
    }, TIMEOUT_MS);
    sent.once('close', () => clearTimeout(timer));
    sent.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    sent.end(body);
  });
}
