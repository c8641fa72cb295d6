import { LOG_EVENTS } from '@sink/runtime';
import { expect, it } from 'vitest';
import { REPOSITORY } from './documents.ts';
import { LOG_FIELDS } from './log-descriptions.ts';
import { loggedLines } from './log-sources.ts';

const lines = loggedLines(REPOSITORY);

it('each line that the sources log has a code, and each code a line (libs/runtime/src/log-events.ts)', () => {
  const logged = new Set(lines.map(({ msg }) => msg));
  expect([...logged].sort()).toEqual([...new Set(Object.values<string>(LOG_EVENTS))].sort());
});

it('each field of a line is described, and each description is of a field', () => {
  const fields = new Set(lines.flatMap((line) => line.fields));
  fields.delete('…');
  expect([...fields].sort()).toEqual(Object.keys(LOG_FIELDS).sort());
});
