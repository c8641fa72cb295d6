import { expect, test } from 'vitest';
import { growthFigures } from './growth.ts';

const points = [
  { column: 'small', cost: 2 },
  { column: 'large', cost: 3 },
];

test('growth is the cost of each column relative to the reference', () => {
  const figures = growthFigures('to small', points, 'small', ({ cost }) => cost);
  expect(figures.map(({ value }) => value)).toEqual([1, 1.5]);
});

test('a reference that was not measured is an error', () => {
  expect(() => growthFigures('', points, 'other', ({ cost }) => cost)).toThrow('comparing with other');
});
