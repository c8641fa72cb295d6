import fc from 'fast-check';
import { expect, it } from 'vitest';
import { compactJson, hasLoneSurrogate, membersOf, scanObject } from './json.ts';

/** JSON.stringify is the reference: its text is compact, and its indentation is nothing but whitespace. */
const anyObject = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 4, stringUnit: 'binary' }));
const indent = fc.constantFrom('', ' ', '\t', '    ');

it('compacting takes away the whitespace of indentation and nothing else', () => {
  fc.assert(
    fc.property(
      fc.jsonValue({ stringUnit: 'binary' }),
      indent,
      fc.stringMatching(/^[ \t\r\n]*$/),
      (value, by, around) => {
        expect(compactJson(around + JSON.stringify(value, null, by) + around)).toBe(JSON.stringify(value));
      },
    ),
  );
});

it('compacting keeps what was written between whitespace', () => {
  expect(compactJson('[ 1.0 ,\r\n"\\u0041 \\\\" , { "a" : 1E5 }\t]')).toBe('[1.0,"\\u0041 \\\\",{"a":1E5}]');
});

it('finds the end, the members and the line of an object in a longer text', () => {
  fc.assert(
    fc.property(anyObject, indent, fc.string(), fc.string(), (object, by, before, after) => {
      const text = JSON.stringify(object, null, by);
      const scanned = scanObject(before + text + after, before.length);
      expect(scanned.line).toBe(JSON.stringify(object));
      expect(scanned.end).toBe(before.length + text.length);
      expect(scanned.memberCount).toBe(Object.keys(object).length);
      expect(membersOf(scanned.line)).toEqual(
        Object.entries(object).map(([name, value]) => ({
          name,
          nameText: JSON.stringify(name),
          text: JSON.stringify(value),
        })),
      );
      expect(membersOf(before + text + after, before.length).map(({ text: value }) => compactJson(value))).toEqual(
        Object.values(object).map((value) => JSON.stringify(value)),
      );
    }),
  );
});

it.each([
  ['{"a":1,"b":{"c":1.5},"d":[1.5],"e":"1.5"}', false],
  ['{"data":1.5}', false],
  ['{"a":1.5}', true],
  ['{"a":"data","b": -0.5}', true],
  ['{"a":1e5,"data":1}', true],
])('in %s numbers that are no integers: %s', (text, expected) => {
  expect(scanObject(text, 0).hasNonInteger).toBe(expected);
});

it('counts members that JSON.parse merges', () => {
  expect(scanObject('{"a":{"x":1},"\\u0061":[{"a":":"}],"a":":"}', 0).memberCount).toBe(3);
});

it('knows unpaired surrogates as String.isWellFormed does', () => {
  const halves = fc.constantFrom(
    '\ud83d',
    '\ude00',
    '\ud800',
    '\udfff',
    '\\',
    'u',
    'd83d',
    '"',
    'x',
    '\ue000',
    '\ud7ff',
  );
  fc.assert(
    fc.property(fc.array(halves, { maxLength: 10 }), fc.boolean(), (units, upper) => {
      const value = units.join('');
      const escaped = JSON.stringify(value).replace(/[\ud800-\udfff]/g, (unit) => {
        const code = unit.charCodeAt(0).toString(16);
        return `\\u${upper ? code.toUpperCase() : code}`;
      });
      expect(JSON.parse(escaped)).toBe(value);
      expect(hasLoneSurrogate(escaped)).toBe(!value.isWellFormed());
    }),
    { numRuns: 500 },
  );
});
