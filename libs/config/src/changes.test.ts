import { expect, test } from 'vitest';
import { CHANGES, livePaths, whyRestart } from './changes.ts';
import { jsonSchema, renderReference } from './reference.ts';
import { settingPaths } from './settings.ts';

test('every key says whether its change is live, or why it needs a restart', () => {
  expect(Object.keys(CHANGES).toSorted()).toEqual(settingPaths.toSorted());
  for (const path of settingPaths) expect(whyRestart(path) ?? 'it is live', path).toMatch(/^[a-zA-Z].{3,}[^.]$/);
});

test('live are sizes, intervals, the log level, the hold, limits of bodies and what is in flight, and uploads', () => {
  expect(livePaths).toEqual(
    expect.arrayContaining([
      'flush_size',
      'flush_bytes',
      'scheduled_interval',
      'log_level',
      'hold_max',
      'max_body_bytes',
      'max_in_flight_bytes',
      'upload_concurrency',
      'upload_timeout',
    ]),
  );
  expect(livePaths).not.toContain('prefix');
});

test('the reference and the JSON Schema show it', () => {
  expect(renderReference()).toContain('| `flush_size` | `1000` | live |');
  expect(renderReference()).toContain('| `port` | `8080` | restart |');
  expect(jsonSchema()).toMatchObject({
    properties: { flush_size: { 'x-change': 'live' }, redis: { properties: { url: { 'x-change': 'restart' } } } },
  });
});
