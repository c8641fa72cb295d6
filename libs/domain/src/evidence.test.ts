import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  evidenceBytes,
  evidenceHeader,
  evidenceId,
  evidenceLine,
  evidenceRawHeaders,
  EvidenceUnreadable,
  parseEvidence,
  type RefusedRequest,
} from './evidence.ts';
import { evidenceTimeMs, isEvidenceId } from './retry-marker.ts';

const AT = Date.UTC(2026, 10, 29, 1, 2, 3, 456);
const REQUEST: RefusedRequest = {
  refusedAtMs: AT,
  producer: 'vanus',
  method: 'POST',
  path: '/events',
  query: ['code'],
  headers: [{ name: 'ce-id', value: '1' }],
};
const ID = evidenceId(AT, 0, Buffer.alloc(8, 0xff));

it('a line says what was refused, and why, in one JSON object', () => {
  const event = { index: 3, bytes: Buffer.from('{"id":"é\n"}'), reason: 'json', why: 'it is "bad"\nJSON' };
  const line = evidenceLine(ID, REQUEST, event);
  expect(line).not.toContain('\n');
  expect(JSON.parse(line)).toEqual({
    v: 1,
    id: ID,
    time: '2026-11-29T01:02:03.456Z',
    reason: 'json',
    why: 'it is "bad"\nJSON',
    producer: 'vanus',
    method: 'POST',
    path: '/events',
    query: ['code'],
    headers: [{ name: 'ce-id', value: '1' }],
    index: 3,
    bytes: 12,
    body: '{"id":"é\n"}',
  });
});

it('whatever the bytes and the header values are, they come back from the line', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
    fc.constantFrom(Buffer.from('\ufffd'), Buffer.from([0xef, 0xbf]), Buffer.from('\ufeff{}'), Buffer.alloc(9)),
  );
  const value = bytes.map((some) => Buffer.from(some).toString('latin1'));
  fc.assert(
    fc.property(bytes, fc.array(fc.tuple(fc.constantFrom('Ce-Id', 'ce-x'), value)), (body, headers) => {
      const request = { ...REQUEST, headers: headers.map(([name, text]) => evidenceHeader(name, text)) };
      const event = { index: null, bytes: Buffer.from(body), reason: 'json', why: '' };
      const line = evidenceLine(ID, request, event);
      expect(line.isWellFormed()).toBe(true);
      const evidence = parseEvidence(line);
      expect(evidenceBytes(evidence).equals(Buffer.from(body))).toBe(true);
      expect(evidenceRawHeaders(evidence)).toEqual(headers.flat());
    }),
  );
});

it('bytes are text if they are UTF-8, unless its escapes would make it much longer', () => {
  const kind = (bytes: Buffer): string => {
    const line = evidenceLine(ID, REQUEST, { index: null, bytes, reason: 'json', why: '' });
    return 'body' in parseEvidence(line) ? 'text' : 'Base64';
  };
  expect(kind(Buffer.from(''))).toBe('text');
  expect(kind(Buffer.from('"'.repeat(1000)))).toBe('text');
  expect(kind(Buffer.from('\u0001'.repeat(1000)))).toBe('Base64');
  expect(kind(Buffer.from([0xff]))).toBe('Base64');
});

it('a line of another version, or without its members, is not taken', () => {
  for (const line of ['', '[]', '{"v":2}', '{"v":1}', `{"v":1,"id":"x","time":"","reason":"","why":"","index":0}`]) {
    expect(() => parseEvidence(line)).toThrow(EvidenceUnreadable);
  }
});

it('ids are UUIDs of version 7, in the order of time and of the events of a request', () => {
  const random = (byte: number): Buffer => Buffer.alloc(8, byte);
  const ids = [evidenceId(AT, 0, random(9)), evidenceId(AT, 1, random(0)), evidenceId(AT + 1, 0, random(0))];
  expect([...ids].sort()).toEqual(ids);
  expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7000-8909-0909[0-9a-f]{8}$/);
  for (const id of ids) expect(isEvidenceId(id)).toBe(true);
  expect(evidenceTimeMs(ids[0] ?? '')).toBe(AT);
  expect(isEvidenceId('0c9d3f7e-0000-4000-8000-000000000000')).toBe(false);
});
