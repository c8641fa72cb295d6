import { expect, test } from 'vitest';
import { formatted, isMet, joined, markdown, shown } from './figure.ts';

test('scenarios whose tables have the same title share one table', () => {
  const table = (column: string, value: number) => ({ title: 'load', figures: [{ row: 'events/s', column, value }] });
  const [load, ...others] = joined([{ tables: [table('binary', 20_123.4)] }, { tables: [table('batch', 1)] }]);
  expect(others).toEqual([]);
  expect(load && markdown(load, shown)).toBe(
    ['| load | binary | batch |', '| --- | ---: | ---: |', '| events/s | 20,123 | 1 |'].join('\n'),
  );
});

test('a figure that a column does not have leaves an empty cell', () => {
  const figures = [
    { row: 'a', column: 'x', value: 1 },
    { row: 'b', column: 'y', value: 2 },
  ];
  expect(markdown({ title: '', figures }, shown)).toContain('| b |  | 2 |');
});

test('a goal is shown with whether it is met, and a figure at its bound meets it', () => {
  expect(shown({ row: '', column: '', value: 2.5, goal: { atMost: 2 } })).toBe('**2.5** (≤ 2: missed)');
  expect(isMet(2, { atMost: 2 }) && isMet(2, { atLeast: 2 })).toBe(true);
});

test.each([
  [123_456.7, '123,457'],
  [12.345, '12.3'],
  [0.012_345, '0.0123'],
  [0, '0'],
  [-1.5, '-1.5'],
])('%d is written as %s', (value, text) => {
  expect(formatted(value)).toBe(text);
});
