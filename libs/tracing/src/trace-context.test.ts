import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseStoredIdentity, parseTraceparent, storedIdentity } from './trace-context.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

test.each([
  [`00-${TRACE}-${SPAN}-01`, true],
  [`00-${TRACE}-${SPAN}-00`, false],
  [`00-${TRACE}-${SPAN}-03`, true],
  [`cc-${TRACE}-${SPAN}-01`, true],
  [`cc-${TRACE}-${SPAN}-01-what-the-future-brings`, true],
])('traceparent %s is read; sampled: %s', (value, sampled) => {
  expect(parseTraceparent(value)).toEqual({ traceId: TRACE, spanId: SPAN, sampled, state: '' });
});

test.each([
  '',
  'x',
  `00-${TRACE}-${SPAN}`,
  `00-${TRACE}-${SPAN}-01-more`,
  `00-${TRACE}-${SPAN}-1`,
  `ff-${TRACE}-${SPAN}-01`,
  `00-${TRACE.toUpperCase()}-${SPAN}-01`,
  `00-${'0'.repeat(32)}-${SPAN}-01`,
  `00-${TRACE}-${'0'.repeat(16)}-01`,
  `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`,
  ` 00-${TRACE}-${SPAN}-01`,
])('traceparent %j is ignored', (value) => {
  expect(parseTraceparent(value, 'a=b')).toBeNull();
});

test('tracestate is carried along, unless it is too long or not printable', () => {
  const parent = `00-${TRACE}-${SPAN}-01`;
  expect(parseTraceparent(parent, 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE')?.state).toBe(
    'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE',
  );
  for (const state of ['x'.repeat(513), 'a=é', 'a=\n', 7]) expect(parseTraceparent(parent, state)?.state).toBe('');
});

test('what is stored of an identity is read as it was', () => {
  const hex = (digits: number) =>
    fc.string({ unit: fc.constantFrom(...Array.from('0123456789abcdef')), minLength: digits, maxLength: digits });
  const identity = fc.record({
    traceId: hex(32).filter((id) => /[^0]/.test(id)),
    spanId: hex(16).filter((id) => /[^0]/.test(id)),
    state: fc.string({ unit: fc.constantFrom(...Array.from('ab=,;- "\\')) }),
  });
  fc.assert(
    fc.property(identity, (span) => {
      expect(parseStoredIdentity(storedIdentity(span))).toEqual(span);
    }),
  );
});

test.each([undefined, null, 7, '', 'x', `${TRACE}-${SPAN}x`, `${TRACE}-${SPAN};é`, `00-${TRACE}-${SPAN}-01`])(
  'a stored identity that is none (%j) is ignored',
  (text) => expect(parseStoredIdentity(text)).toBeNull(),
);
