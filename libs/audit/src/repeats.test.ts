import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { temporaryDirectory } from '@sink/testing';
import { expect, test } from 'vitest';
import { Repeats } from './repeats.ts';

const mark = (event: number): Buffer => createHash('sha256').update(String(event)).digest().subarray(0, 16);

test('every repeated fingerprint is found among more than the buffers hold, and close removes all files', async () => {
  const parent = temporaryDirectory('repeats');
  const repeats = await Repeats.open(parent);
  const events = 250_000;
  for (let event = 0; event < events; event++) await repeats.add(mark(event), event % 1_000);
  const again = [0, 7, 4_711, 249_999];
  for (const event of again) await repeats.add(mark(event), 5_000);
  await repeats.add(mark(7), 5_001);

  const found: { fingerprint: string; objects: readonly number[] }[] = [];
  for await (const { fingerprint, objects } of repeats.find()) {
    found.push({ fingerprint: fingerprint.toString('hex'), objects });
  }
  const expected = [
    ...again.map((event) => ({ fingerprint: mark(event).toString('hex'), objects: [event % 1_000, 5_000] })),
    { fingerprint: mark(7).toString('hex'), objects: [5_000, 5_001] },
  ];
  const inOrder = (a: { fingerprint: string }, b: { fingerprint: string }): number =>
    a.fingerprint.localeCompare(b.fingerprint);
  expect(found.sort(inOrder)).toEqual(expected.sort(inOrder));
  await repeats.close();
  expect(readdirSync(parent)).toEqual([]);
});
