import { evidenceId, evidenceLine } from '@sink/domain';
import { expect, it } from 'vitest';
import { judge } from './oracle.ts';
import type { Try } from './producer.ts';

const SENT = '{"id":"1","attempt":0}';
const acknowledged = { by: 'ingest-1', at: new Date(0) };
const good = { id: '2', attempt: 0, data: 1 };
const tries: ReadonlyMap<string, Try> = new Map<string, Try>([
  ['1#0', { event: { id: '1', attempt: 0 }, acknowledged, refused: SENT }],
  ['2#0', { event: good, acknowledged }],
]);

let sequence = 0;
function evidence(text: string): string {
  const request = { refusedAtMs: 0, producer: null, method: 'POST', path: '/', query: [], headers: [] };
  const id = evidenceId(0, sequence++, Buffer.alloc(8));
  return evidenceLine(id, request, { index: null, bytes: Buffer.from(text), reason: 'json', why: '' });
}

function verdictOf(objects: Record<string, string[]>) {
  const s3 = { control: { overwrites: async () => [] } };
  return judge({ objects: async () => new Map(Object.entries(objects)), s3 }, { tries: new Map(tries) });
}

it('a refused event belongs in quarantine once, and a good one among the events once', async () => {
  const right = { 'a/1': [JSON.stringify(good)], 'quarantine/1': [evidence(SENT)] };
  expect(await verdictOf(right)).toMatchObject({ lost: [], doubled: [], unknown: [], stored: 1, quarantined: 1 });
});

it.each([
  ['lost', 'the refused 1#0', { 'a/1': [JSON.stringify(good)] }],
  ['lost', '2#0', { 'quarantine/1': [evidence(SENT)] }],
  [
    'doubled',
    'the refused 1#0 in quarantine/1 and quarantine/2',
    { 'quarantine/1': [evidence(SENT)], 'quarantine/2': [evidence(SENT)] },
  ],
  ['unknown', 'quarantine/1', { 'quarantine/1': [evidence(`${SENT} `)] }],
  ['unknown', 'quarantine/1', { 'quarantine/1': [evidence(JSON.stringify(good))] }],
  ['unknown', 'a/1', { 'a/1': [SENT] }],
] as const)('%s is noticed: %s', async (kind, says, objects) => {
  const verdict = await verdictOf(Object.fromEntries(Object.entries(objects).map(([key, lines]) => [key, [...lines]])));
  expect(verdict[kind].join()).toContain(says);
});
