import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { rssPeakBytes } from '../harness/memory.ts';
import { Pipeline } from '../harness/pipeline.ts';
import { type SlowPattern, startSlowClients } from '../harness/slow-clients.ts';

const SLOW_CLIENTS = 500;
const CLIENTS = 10;
/** Each of the others sends an event so often: far less than ingest can take, so that the figure is no measure of the machine. */
const PERIOD_MS = 200;
const SECONDS = 6;
const RSS_BYTES_MAX = 600 * 1024 * 1024;

const KIB = 1024;
const MIB = 1024 * KIB;
const silent = (bytes: number, sentBytes: number): SlowPattern => ({ bytes, sentBytes, dripMs: null });
const PATTERNS: readonly (readonly [string, SlowPattern])[] = [
  ['silent after the first byte of 16 MiB', silent(16 * MIB, 1)],
  ['a byte a second of 16 MiB', { bytes: 16 * MIB, sentBytes: 1, dripMs: 1_000 }],
  ['silent before the last byte of 60 KiB', silent(60 * KIB, 60 * KIB - 1)],
  ['silent in the middle of 400 KiB', silent(400 * KIB, 200 * KIB)],
  ['silent before the last byte of 300 KiB', silent(300 * KIB, 300 * KIB - 1)],
  ['silent in the middle of 16 MiB', silent(16 * MIB, 512 * KIB)],
  ['silent before the last byte of 1 MB', silent(1_000_000, 999_999)],
  ['silent before the last byte of 16 MiB', silent(16 * MIB, 16 * MIB - 1)],
];

let pipeline: Pipeline | undefined;
beforeAll(async () => {
  pipeline = await Pipeline.start();
});
afterAll(async () => {
  await pipeline?.stop();
});

function ingest() {
  const [found] = pipeline?.of('ingest') ?? [];
  if (!found) throw new Error('there is an ingest');
  return found;
}

/** The answers that the others get in some seconds. */
async function answers(url: string): Promise<number[]> {
  const statuses: number[] = [];
  const endMs = performance.now() + SECONDS * 1_000;
  const client = async (number: number): Promise<void> => {
    for (let sent = 0; performance.now() < endMs; sent++) {
      const nextMs = performance.now() + PERIOD_MS;
      const answer = await fetch(url, {
        method: 'POST',
        headers: { 'Content-Type': 'application/cloudevents+json', Connection: 'close' },
        body: JSON.stringify({ specversion: '1.0', id: `${number}-${sent}`, source: '/others', type: 't' }),
      });
      statuses.push(answer.status);
      await sleep(Math.max(0, nextMs - performance.now()));
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, number) => client(number)));
  return statuses;
}

it.each(PATTERNS)('%s: 500 slow clients slow no others down, and none of those is refused', async (_, pattern) => {
  const { url, process } = ingest();
  const alone = await answers(url);
  const stop = startSlowClients(url, SLOW_CLIENTS, pattern);
  try {
    await sleep(2_000);
    const beside = await answers(url);
    console.log(`others: ${alone.length / SECONDS}/s alone, ${beside.length / SECONDS}/s beside slow clients`);
    expect(beside.filter((status) => status !== 202)).toEqual([]);
    expect(beside.length).toBeGreaterThanOrEqual(0.8 * alone.length);
  } finally {
    stop();
  }
  expect(rssPeakBytes(process)).toBeLessThan(RSS_BYTES_MAX);
});
