import { expect, it } from 'vitest';
import { evidenceId } from './evidence.ts';
import { parseRetryMarkerKey, retryMarkerKey, retryMarkerStart } from './retry-marker.ts';

const ID = evidenceId(Date.UTC(2026, 10, 29), 0, Buffer.alloc(8));

it('a key says which event, attempt and state its marker is about', () => {
  const name = { id: ID, attempt: 2, state: 'stored' } as const;
  const key = retryMarkerKey('quarantine/', name);
  expect(key).toBe(`quarantine/_retries/${ID}-2-stored.json`);
  expect(key.startsWith(retryMarkerStart('quarantine/', ID))).toBe(true);
  expect(parseRetryMarkerKey('quarantine/', key)).toEqual(name);
});

it.each([
  '_retries/x-1-begun.json',
  `_retries/${ID}-1-done.json`,
  `2026/${ID}-1-begun.json`,
  `_retries/${ID}-begun.json`,
])('another key is none: %s', (rest) => {
  expect(parseRetryMarkerKey('quarantine/', `quarantine/${rest}`)).toBeNull();
  expect(parseRetryMarkerKey('other/', `quarantine/_retries/${ID}-1-begun.json`)).toBeNull();
});
