import { expect, test } from 'vitest';
import { addressOf } from './addresses.ts';

test.each([
  ['0.0.0.0', 'http://localhost:1'],
  ['::', 'http://localhost:1'],
  ['::1', 'http://[::1]:1'],
  ['10.1.2.3', 'http://10.1.2.3:1'],
])('what is bound to %s is reached at %s', (host, address) => {
  expect(addressOf(host, 1)).toBe(address);
});
