import { expect, test } from 'vitest';
import { decodeMessage } from './decode-message.ts';
import { fingerprint } from './fingerprint.ts';

const binary = (id: string, source: string, more: readonly string[] = []): string => {
  const headers = ['ce-specversion', '1.0', 'ce-id', id, 'ce-source', source, 'ce-type', 't', ...more];
  return decodeMessage(headers, Buffer.from('{}'))[0] ?? '';
};
const structured = (id: string, source: string): string =>
  decodeMessage(
    ['content-type', 'application/cloudevents+json'],
    Buffer.from(JSON.stringify({ data: [1], type: 'other', source, id, specversion: '1.0' })),
  )[0] ?? '';

test('an event is the same in every content mode, whatever else it carries', () => {
  const mark = fingerprint(binary('a', '/s'));
  expect(mark).toHaveLength(16);
  expect(fingerprint(structured('a', '/s'))).toEqual(mark);
  expect(fingerprint(binary('a', '/s', ['ce-xvanusretryattempts', '3']))).toEqual(mark);
  // Percent-encoded in one mode, as it is in the other.
  expect(fingerprint(binary('n-%C3%A9', '/s'))).toEqual(fingerprint(structured('n-é', '/s')));
});

test('another id, another source, or the border between the two elsewhere is another event', () => {
  const marks = [
    ['a', '/s'],
    ['b', '/s'],
    ['a', '/t'],
    ['1a', '/s'],
    ['a', '/s1'],
    ['sa', '/'],
  ].map(([id = '', source = '']) => fingerprint(structured(id, source)).toString('hex'));
  expect(new Set(marks).size).toBe(marks.length);
});
