import { expect, test } from 'vitest';
import { privateModes } from './private-modes.ts';

test.each([
  [0o755, 0o600, 0o700],
  [0o777, 0o600, 0o700],
  [0o770, 0o600, 0o700],
  [0o2755, 0o660, 0o2770],
  [0o2777, 0o660, 0o2770],
])('in a directory with mode %o files have %o and directories %o', (given, file, directory) => {
  expect(privateModes(0o040000 | given)).toEqual({ file, directory });
});
