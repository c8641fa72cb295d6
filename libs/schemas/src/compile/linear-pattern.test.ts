import fc from 'fast-check';
import { RE2Set } from 're2js';
import { expect, it } from 'vitest';
import { linearPattern } from './linear-pattern.ts';

function linear(source: string): (text: string) => boolean {
  const translated = linearPattern(source);
  if (translated === null) throw new Error(`${source} has no translation`);
  const set = new RE2Set(RE2Set.UNANCHORED, 0, 16 * 1024);
  set.add(translated);
  set.compile();
  return (text) => set.match(text).length > 0;
}

const PATTERNS = [
  '^[A-Z]{3}$',
  'a.b',
  '^\\s*$',
  '\\S+',
  '[^\\s]',
  '[\\S\\d]',
  '[\\W_]+',
  '^\\d{4}-\\d{2}$',
  '(foo|bar)+baz?',
  '(?:ab){2,3}',
  '(?<year>\\d+)',
  '\\bword\\b',
  '\\Bx',
  '^$',
  '[]',
  '[^]',
  '[^]*z',
  '\\u00e9|\\u{1F600}',
  '[\\u{1F600}-\\u{1F64F}]',
  '\\cJ',
  '\\x41',
  '\\/path\\/',
  '\\p{L}+',
  '[^\\p{Lu}]',
  '\\P{N}',
  'a{0}b',
  'a+?b*?',
  '[\\-.\\]]',
  '^(\\$|\\^|\\\\)$',
  '(a|b|)c',
];

it.each(PATTERNS)('%s means the same in both engines', (source) => {
  const native = new RegExp(source, 'u');
  const test = linear(source);
  const piece = fc.constantFrom(
    ...'abcfoz_-. \t\n\r\u2028\u2029\u00a0\ufeff\u00e9$^\\/]09AZé'.split(''),
    '😀',
    'word',
    'foo',
    'baz',
    '2026-11',
    'ABC',
    '\u0130',
    'ſ',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.array(piece, { maxLength: 8 }).map((parts) => parts.join('')),
        fc.string({ unit: 'binary', maxLength: 6 }),
      ),
      (text) => {
        expect(test(text)).toBe(native.test(text));
      },
    ),
    { numRuns: 200 },
  );
});

it('random patterns that have a translation mean the same in both engines', () => {
  const atom = fc.constantFrom(
    'a',
    'b',
    '.',
    '\\s',
    '\\w',
    '\\d',
    '[ab]',
    '[^a]',
    '[a-c\\s]',
    '\\n',
    '(?:a|b)',
    '(a)',
    'é',
    '\\b',
    '^',
    '$',
  );
  const quantifier = fc.constantFrom('', '', '', '*', '+', '?', '{1,2}', '{2}', '*?');
  const pattern = fc
    .array(fc.tuple(atom, quantifier), { minLength: 1, maxLength: 6 })
    .map((parts) => parts.map(([a, q]) => (/^(\^|\$|\\b)$/.test(a) ? a : a + q)).join(''));
  const text = fc
    .array(fc.constantFrom('a', 'b', 'c', ' ', '\n', '1', 'é', '\u2028'), { maxLength: 10 })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(pattern, fc.array(text, { minLength: 5, maxLength: 10 }), (source, texts) => {
      const native = new RegExp(source, 'u');
      const test = linear(source);
      for (const each of texts) expect([source, each, test(each)]).toEqual([source, each, native.test(each)]);
    }),
    { numRuns: 300 },
  );
});

it.each([
  'L',
  'Lu',
  'Ll',
  'Lt',
  'Lm',
  'Lo',
  'M',
  'Mn',
  'Mc',
  'Me',
  'N',
  'Nd',
  'Nl',
  'No',
  'P',
  'Pc',
  'Pd',
  'Ps',
  'Pe',
  'Pi',
  'Pf',
  'Po',
  'S',
  'Sm',
  'Sc',
  'Sk',
  'So',
  'Z',
  'Zs',
  'Zl',
  'Zp',
  'Cc',
])('the category %s has the same characters in both engines', (category) => {
  const [native, test] = [new RegExp(`^\\p{${category}}$`, 'u'), linear(`^\\p{${category}}$`)];
  const differing: string[] = [];
  // Some of the characters beyond are enough, and quick.
  for (let point = 0; point <= 0x10ffff; point += point < 0x1000 ? 1 : 37) {
    if (point >= 0xd800 && point <= 0xdfff) continue;
    const text = String.fromCodePoint(point);
    if (native.test(text) !== test(text)) differing.push(point.toString(16));
  }
  expect(differing).toEqual([]);
});

it.each([
  '(?=a)',
  '(?!a)',
  '(?<=a)b',
  '(?<!a)b',
  '(a)\\1',
  '(?<n>a)\\k<n>',
  'a{1001}',
  '\\p{Script=Greek}',
  '\\p{Emoji}',
  '(',
  '[z-a]',
  '(?i:a)',
])('%s has no translation', (source) => {
  expect(linearPattern(source)).toBeNull();
});

it('takes time that is linear in the text', () => {
  for (const source of ['^(a+)+$', '(a|aa)+$', '(x+x+)+y', '(.*a){12}b', '([a-z]+)*[0-9]{20}$']) {
    const test = linear(source);
    const before = performance.now();
    expect(test(`${'a'.repeat(50_000)}!`)).toBe(false);
    expect(performance.now() - before).toBeLessThan(5_000);
  }
});
