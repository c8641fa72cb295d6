import { expect, test } from 'vitest';
import { readEnvironment } from './environment.ts';

test('the environment is copied, not shared', () => {
  const before = readEnvironment();
  process.env['SINK_CONFIG_TEST'] = 'later';
  try {
    expect(before).not.toHaveProperty('SINK_CONFIG_TEST');
    expect(readEnvironment()['SINK_CONFIG_TEST']).toBe('later');
  } finally {
    delete process.env['SINK_CONFIG_TEST'];
  }
});
