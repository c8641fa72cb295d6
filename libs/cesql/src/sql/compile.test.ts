import { expect, test } from 'vitest';
import type { Attribute } from '../event-view.ts';
import { CesqlError } from './cesql-error.ts';
import { compileExpression } from './compile.ts';
import { Failure } from './value.ts';

const EVENT: Readonly<Record<string, Attribute>> = { id: '1', type: 'a', note: 'x😀é', big: 3_000_000_000, n: 5 };

function evaluate(text: string): unknown {
  const result = compileExpression(text).evaluate({ get: (name) => EVENT[name] });
  return result instanceof Failure ? [result.value, result.kind] : result;
}

test.each<[string, unknown]>([
  ['2147483647 + 1', -2147483648],
  ['-2147483648 - 1', 2147483647],
  ['2147483647 * 2147483647', 1],
  ['-(-2147483648)', -2147483648],
  ['-2147483648 / -1', -2147483648],
  ['-7 / 2', -3],
  ['-7 % 2', -1],
  ['5-3', 2],
  ['5 -3', 2],
  ['+5', 5],
  ["'+5' + 1", 6],
  ["'2147483648' + 1", [0, 'cast']],
  ["1 + ''", [0, 'cast']],
  ['big', '3000000000'],
  ['big + 1', [0, 'cast']],
  ['LENGTH(note)', 3],
  ['LEFT(note, 2)', 'x😀'],
  ['RIGHT(note, 2)', '😀é'],
  ['SUBSTRING(note, 2, 1)', '😀'],
  ['SUBSTRING(note, 1, -1)', ['', 'functionEvaluation']],
  ['SUBSTRING(note, -3)', 'x😀é'],
  ['SUBSTRING(note, -4)', ['', 'functionEvaluation']],
  ["note LIKE 'x_é'", true],
  ["note LIKE '__'", false],
  ["'a' LIKE 'a%a'", false],
  ["'ab' LIKE 'a%b%b'", false],
  ["'abb' LIKE 'a%b%b'", true],
  ["'a' LIKE '_%_'", false],
  ["'ab' LIKE '_%b%_'", false],
  ["'abc' LIKE '_%b%_'", true],
  ["'abab' LIKE '%_b%a_'", true],
  ["'a\\b' LIKE 'a\\b'", true],
  ["TRIM('\u2003 a \u0085')", 'a'],
  ["TRIM('\u0000a')", '\u0000a'],
  ["IS_INT('12') AND IS_BOOL('True') AND IS_INT(TRUE) AND NOT IS_INT('1.5') AND NOT IS_BOOL('yes')", true],
  ['IS_INT(gone)', [false, 'missingAttribute']],
  ['NOT TRUE = FALSE', true],
  ['NOT (TRUE = FALSE)', true],
  ['TRUE = "true" AND FALSE = "false"', true],
  ['n < 6 AND n < "10"', true],
  ["n IN ('5')", true],
  ["n IN ('a', 5)", [false, 'cast']],
  ["n IN (5, 'a')", true],
  ["type NOT IN ('b', gone)", [false, 'missingAttribute']],
  ['1 / gone', [0, 'missingAttribute']],
  ["gone = 'a' OR TRUE", [false, 'missingAttribute']],
  ["TRUE OR gone = 'a'", true],
  ["EXISTS gone AND gone = 'a'", false],
  ["ID = '1' AND Type = 'a'", true],
  ['CONCAT(1, TRUE, gone)', ['', 'missingAttribute']],
  ['left = 1', [false, 'missingAttribute']],
])('%s', (text, expected) => {
  expect(evaluate(text)).toEqual(expected);
});

test.each<[string, number, string]>([
  ['', 1, 'the expression ends where a value is needed'],
  ['type =', 7, 'the expression ends where a value is needed'],
  ['AND TRUE', 1, 'a value is needed before AND'],
  ["type = 'a' 'b'", 12, '"b" cannot follow here: an operator or the end is missing before it'],
  ['type == 1', 7, 'a value is needed, not "="'],
  ['type & 1', 6, '"&" means nothing here: write AND'],
  ['type = com.example', 11, '"." means nothing here: text is written in quotes'],
  ["type = 'a", 8, "the text that begins here has no end: close it with '"],
  ['(1 + 2', 7, '")" is missing, which closes the bracket that was opened'],
  ['n IN ()', 3, 'IN needs at least one value in its brackets'],
  ['n IN 5', 6, 'IN needs its values in brackets: "(" is missing'],
  ['type LIKE id', 11, 'LIKE needs a pattern in quotes'],
  ['EXISTS (id)', 8, 'EXISTS needs the name of an attribute'],
  ["data = 'a'", 1, 'data cannot be filtered by: only attributes can'],
  ['my_ext = 1', 1, '"my_ext" is no attribute: letters and digits only; text is in quotes'],
  ['n = 2147483648', 5, 'an integer has 32 bits, so 2147483648 is too large'],
  ['n = 1 AND FOO(n)', 11, expect.stringContaining('there is no function FOO: LENGTH, CONCAT, CONCAT_WS') as string],
  ['LENGTH()', 1, 'LENGTH takes 1 value, not 0'],
  ['SUBSTRING(1)', 1, 'SUBSTRING takes 2 or 3 values, not 1'],
  ['TRUE OR FALSE AND TRUE', 15, 'which of OR and AND comes first? Put one of them in brackets'],
  ['TRUE XOR FALSE OR TRUE', 16, 'which of XOR and OR comes first? Put one of them in brackets'],
])('%s is refused', (text, position, message) => {
  const refused = errorOf(text);
  expect(refused.position).toBe(position);
  expect(refused.message.replace(/^character \d+: /, '')).toEqual(message);
});

test('what is in brackets may have other operators around it', () => {
  expect(evaluate('(TRUE OR FALSE) AND FALSE')).toBe(false);
  expect(evaluate('TRUE OR (FALSE AND FALSE)')).toBe(true);
  expect(evaluate('TRUE AND TRUE AND TRUE AND (FALSE OR TRUE OR FALSE)')).toBe(true);
});

test('an expression is bounded in length and depth', () => {
  expect(errorOf(`n = ${' '.repeat(16_384)}5`).message).toBe('character 16385: at most 16384 characters');
  expect(errorOf('('.repeat(1_000)).message).toMatch('at most 500 operators inside each other');
  expect(errorOf(`n${' OR n'.repeat(1_000)}`).message).toMatch('a long OR is shorter with IN');
  expect(errorOf(`${'NOT '.repeat(1_000)}n`).message).toMatch('at most 500 operators');
  expect(evaluate(`FALSE${' OR FALSE'.repeat(450)} OR TRUE`)).toBe(true);
  expect(evaluate(`n IN (${'1,'.repeat(5_000)}5)`)).toBe(true);
});

/** A pattern that a matcher which goes back needs ages for: each % could end at any of the characters. */
test.each([
  ['%a'.repeat(2_000), `${'a'.repeat(60_000)}b`, false],
  [`${'%a_'.repeat(2_000)}b`, 'a'.repeat(60_000), false],
  [`%${'a'.repeat(2_000)}b%`, 'a'.repeat(60_000), false],
  [`%${'a_'.repeat(1_000)}%`, 'a'.repeat(60_000), true],
])('LIKE never goes back', { timeout: 10_000 }, (pattern, text, expected) => {
  const { evaluate: matches } = compileExpression(`subject LIKE '${pattern}'`);
  expect(matches({ get: () => text })).toBe(expected);
});

function errorOf(text: string): CesqlError {
  try {
    compileExpression(text);
  } catch (error) {
    if (error instanceof CesqlError) return error;
    throw error;
  }
  throw new Error(`${text} was not refused`);
}
