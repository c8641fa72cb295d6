import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { Pipeline } from '../harness/pipeline.ts';
import { type Answer, Client, type Load, quantile } from './load.ts';

const REPLICAS = 3;
const WORKERS = 2;
/** Far below what the machine can do: what is measured is the limit. */
const LIMIT = 500;
const SETTLING_SECONDS = 5;
const MEASURED_SECONDS = 10;
const MODEST_PER_SECOND = 200;
const ROUNDS = 3;

const PRODUCERS = [
  { name: 'greedy', bearer: { tokens: ['token-greedy'] }, limits: { events_per_second: LIMIT } },
  { name: 'modest', bearer: { tokens: ['token-modest'] }, limits: { events_per_second: 10 * LIMIT } },
];

let pipeline: Pipeline | undefined;
const clients: Client[] = [];
function start(load: Load): Client {
  const client = new Client(load);
  clients.push(client);
  return client;
}
afterEach(async () => {
  for (const client of clients.splice(0)) client.kill();
  await pipeline?.stop();
  pipeline = undefined;
});

interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

async function during(seconds: number): Promise<Window> {
  const fromMs = Date.now();
  await sleep(seconds * 1_000);
  return { fromMs, toMs: Date.now() };
}

const within = (answers: readonly Answer[], { fromMs, toMs }: Window): readonly Answer[] =>
  answers.filter(([sentMs]) => sentMs >= fromMs && sentMs < toMs);

/** Answers a second, by status. */
function perSecond(answers: readonly Answer[], window: Window): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const [, status] of within(answers, window)) counts[status] = (counts[status] ?? 0) + 1;
  const seconds = (window.toMs - window.fromMs) / 1_000;
  return Object.fromEntries(Object.entries(counts).map(([status, count]) => [status, Math.round(count / seconds)]));
}

function p99(answers: readonly Answer[], ...windows: readonly Window[]): number {
  const taken = windows.flatMap((window) => within(answers, window));
  return quantile(
    taken.map(([, , tookMs]) => tookMs),
    0.99,
  );
}

/** The sum of a metric over all ingests. */
async function metric(sink: Pipeline, line: string): Promise<number> {
  const texts = await Promise.all(
    sink.of('ingest').map(async ({ opsUrl }) => (await fetch(`${opsUrl}/metrics`)).text()),
  );
  const lines = texts.flatMap((text) => text.split('\n')).filter((text) => text.startsWith(`${line} `));
  return lines.reduce((sum, text) => sum + Number(text.slice(line.length + 1)), 0);
}

it(
  `${REPLICAS} ingests with ${WORKERS} workers each keep the limit of a greedy producer, and accept every event of a modest one`,
  {
    timeout: 240_000,
  },
  async () => {
    const sink = (pipeline = await Pipeline.start({
      ingests: REPLICAS,
      settings: { SINK_INGEST_WORKERS: String(WORKERS), SINK_PRODUCERS: JSON.stringify(PRODUCERS) },
    }));
    const urls = sink.of('ingest').map(({ url }) => url);
    const spread = (...counts: number[]) => counts.map((connections, at) => ({ url: urls[at] ?? '', connections }));
    // Both have most connections at the same ingest.
    const modest = { token: 'token-modest', targets: spread(6, 3, 3), perSecond: MODEST_PER_SECOND };
    const greedy = { token: 'token-greedy', targets: spread(24, 6, 2), perSecond: null };

    const client = start(modest);
    await sleep(3_000);
    const rounds: { accepted: number; refused: number; alone: readonly Window[]; beside: Window }[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const before = await during(MEASURED_SECONDS / 2);
      const flood = start(greedy);
      await sleep(SETTLING_SECONDS * 1_000);
      const beside = await during(MEASURED_SECONDS);
      const shares = await metric(
        sink,
        'sink_ingest_producer_limit_share{producer="greedy",limit="events_per_second"}',
      );
      const { 202: accepted = 0, 429: refused = 0, ...others } = perSecond(await flood.stop(), beside);
      expect(others).toEqual({});
      expect(shares, 'the shares add up to the limit').toBeGreaterThan(LIMIT * 0.8);
      expect(shares).toBeLessThan(LIMIT * 1.2);
      // What slows the machine for a while slows both.
      rounds.push({ accepted, refused, alone: [before, await during(MEASURED_SECONDS / 2)], beside });
    }
    const answers = await client.stop();
    for (const { accepted, refused, alone, beside } of rounds) {
      const [before, after] = [p99(answers, ...alone), p99(answers, beside)];
      const figures = `greedy ${accepted}/s accepted of ${LIMIT}, ${refused}/s refused; modest p99 ${before.toFixed(1)} ms alone, ${after.toFixed(1)} ms beside it`;
      console.log(`${figures}: ${(after / before).toFixed(2)}`);
      expect(accepted).toBeGreaterThan(LIMIT * 0.8);
      expect(accepted).toBeLessThan(LIMIT * 1.2);
    }
    expect(answers.filter(([, status]) => status !== 202)).toEqual([]);
    expect(
      await metric(sink, 'sink_ingest_producer_requests_refused_total{producer="greedy",reason="events_per_second"}'),
    ).toBeGreaterThan(0);
  },
);
