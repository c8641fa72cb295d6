import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { FORMATS } from './keywords.ts';

test('the documents name the formats that are checked', () => {
  const text = readFileSync(new URL('../../../../docs/validation.md', import.meta.url), 'utf8');
  const [, named = ''] = /These formats are checked: ([^.]*)\./.exec(text) ?? [];
  expect([...named.matchAll(/`([a-z0-9-]+)`/g)].map(([, format]) => format)).toEqual(FORMATS);
});
