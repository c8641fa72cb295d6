import { expect, test } from 'vitest';
import { positive } from './options.ts';

test('a number of the command line is an integer of at least 1, or an error that names the option', () => {
  expect(positive('runs', '3')).toBe(3);
  for (const given of ['0', '-1', '1.5', 'many', '']) expect(() => positive('runs', given)).toThrow('--runs');
});
